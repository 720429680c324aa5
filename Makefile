# Every target is complete by itself on a machine with Go, git and a C compiler.

released := core core/otelpasskeys ginpasskeys echopasskeys echopasskeys/echo5 chipasskeys gormstore redisstore conformance
modules  := $(released) conformance/integration examples
export GOTOOLCHAIN := local

FUZZTIME ?= 1m

.PHONY: help test check race lint alone rehearse release bench plot fuzz mutants fmt deps
help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

test: deps lint race alone ## Everything a change must pass; installs what it needs

check: ## Between edits: format, vet, and the tests that need no server; below a minute
	@unformatted=$$(gofmt -l $(modules)); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	go vet work
	go test $(released:%=./%/...)

# SQLite is C that was translated: watching each of its memory accesses finds nothing of
# ours, and takes five times as long as all the rest of a test. Nor does it find anything in
# what only one goroutine does, for minutes: alone runs that.
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

# Nobody imports the last two, and race has run their servers and browsers: that
# their tests build is enough.
alone: deps ## Each module by itself, as its importers see it: tidy, vet, test
	@echo "== Each module by itself: about 2 minutes"
	@for m in $(modules); do \
		case " $(released) " in *" $$m "*) tests=. ;; *) tests='^$$' ;; esac; \
		echo "== $$m alone" && (cd $$m && export GOWORK=off && \
		go mod tidy -diff && go vet ./... && go test -timeout 15m -run "$$tests" ./...) || exit 1; \
	done

rehearse: ## A release, in a clone, and all that its users do with it
	cd tools && GOWORK=off go run ./release -rehearse $(released)

release: ## Commits and tags for VERSION=v0.1.0, to be pushed by hand
	cd tools && GOWORK=off go run ./release -version $(VERSION) $(released)

bench: ## The CPU of a sign-in, beside a signature check and hand-written handlers
	go test -run '^$$' -bench . -benchtime 2s ./core ./conformance/integration

plot: ## Measure a sign-in, and draw docs/images/login.svg
	go test -run '^$$' -bench 'Login$$' -benchtime 2s ./conformance/integration | go run ./conformance/integration/plot > docs/images/login.svg

fuzz: ## Each fuzz target for FUZZTIME, by default a minute
	@grep -rn '^func Fuzz' --include='*_test.go' core | sed 's/\/[^/]*:func \(Fuzz[A-Za-z]*\).*/ \1/' | while read dir f; do \
		echo "== $$f" && (cd $$dir && go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) .) || exit 1; \
	done

mutants: ## Take each guard out in turn: some test must fail
	cd tools && GOWORK=off go run ./mutants

fmt: ## Format the code
	gofmt -w $(modules)

deps:
	@.ci/deps

bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && GOWORK=off go build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
