# Every target is complete by itself on a machine with Go, git and a C compiler.

released := core core/otelpasskeys ginpasskeys echopasskeys echopasskeys/echo5 chipasskeys gormstore redisstore conformance
modules  := $(released) conformance/integration examples
export GOTOOLCHAIN := local

FUZZTIME ?= 1m

.PHONY: help test check race lint alone api rehearse release bench plot fuzz mutants fmt deps
help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

test: deps lint api race alone rehearse ## Everything a change must pass; installs what it needs

check: ## Between edits: format, vet, and the tests that need no server; below a minute
	@unformatted=$$(gofmt -l $(modules)); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	go vet work
	go test $(released:%=./%/...)

# SQLite is C that was translated: watching each of its memory accesses finds nothing of
# ours, and takes five times as long as all the rest of a test. Nor does it find anything in
# what only one goroutine does, for minutes: rehearse runs that.
race: deps ## All tests of all modules together, under the race detector
	@echo "== All tests, under the race detector: about 5 minutes, the last of them silent"
	go test -race -gcflags='modernc.org/...=-race=false' -timeout 15m -skip '^($(sequential))$$' work
sequential := TestAdapterFaults|TestCredentialFaults|TestOracle|TestOracleClientData|TestEverySingleBitFlip|TestAFloodCostsNothing|TestValidEd25519|TestCoordinatesArePadded

lint: bin/golangci-lint ## gofmt, go vet, golangci-lint, and the list of mutants
	@echo "== What can be seen without running anything"
	@unformatted=$$(gofmt -l $(modules)); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	go vet work
	@for system in windows/386 darwin/arm64; do echo "go vet work on $$system" && \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go vet work || exit 1; done
	bin/golangci-lint run $(modules:%=./%/...)
	cd tools && GOWORK=off go vet ./... && GOWORK=off ../bin/golangci-lint run ./... && GOWORK=off go run ./mutants -check
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

alone: deps ## Each module by itself: tidy, vet; and the tests of the tools
	@echo "== Each module by itself"
	@for m in $(modules); do echo "$$m" && (cd $$m && export GOWORK=off && go mod tidy -diff && go vet ./...) || exit 1; done
	cd tools && GOWORK=off go mod tidy -diff && GOWORK=off go test ./...

api: ## What is exported, against its description and the last tag; with WRITE=1 describe it anew
	cd tools && GOWORK=off go run ./api $(if $(WRITE),-write) $(if $(VERSION),-version $(VERSION)) $(released)

rehearse: ## A release, in a copy: build and test each module, and its users' programs, from tags alone
	@echo "== A release, rehearsed in a copy: about 2 minutes"
	cd tools && GOWORK=off go run ./release -rehearse $(released)

release: api ## Commits and tags for VERSION=v0.1.0, to be pushed by hand
	cd tools && GOWORK=off go run ./release -version $(VERSION) $(released)

bench: ## The CPU of a sign-in, beside a signature check and hand-written handlers
	go test -run '^$$' -bench . -benchtime 2s ./core ./conformance/integration

plot: ## Measure a sign-in, and draw docs/images/login.svg
	go test -run '^$$' -bench 'Login$$' -benchtime 2s ./conformance/integration | go run ./conformance/integration/plot > docs/images/login.svg

fuzz: ## Each fuzz target for FUZZTIME, by default a minute
	@grep -rn '^func Fuzz' --include='*_test.go' core | sed 's/\/[^/]*:func \(Fuzz[A-Za-z]*\).*/ \1/' | while read dir f; do \
		echo "== $$f" && (cd $$dir && go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) .) || exit 1; \
	done

mutants: ## Take each guard out in turn, for an hour: some test must fail
	cd tools && GOWORK=off go run ./mutants && GOWORK=off go run ./mutants -find

fmt: ## Format the code
	gofmt -w $(modules)

deps:
	@.ci/deps

bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && GOWORK=off go build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
