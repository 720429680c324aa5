// Command plot draws what BenchmarkLogin has measured, as an SVG for light pages and
// dark ones: what a sign-in costs a server, ours beside handlers that are written by hand.
//
//	go test -run '^$' -bench Login ./conformance/integration | go run ./conformance/integration/plot > docs/images/login.svg
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	picture, err := draw(os.Stdin)
	if err == nil {
		_, err = os.Stdout.Write(picture)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

const (
	unit     = "-verifications"
	ours     = "ours-on-"
	byHand   = "go-webauthn-by-hand-on-"
	theLeast = "the-least-that-verifies"
)

var metric = regexp.MustCompile(`([0-9.]+) (\S+)` + unit + `\b`)

// draw reads what go test printed.
func draw(benchmark io.Reader) ([]byte, error) {
	costs, machine := map[string]float64{}, ""
	lines := bufio.NewScanner(benchmark)
	for lines.Scan() {
		line := lines.Text()
		if cpu, ok := strings.CutPrefix(line, "cpu: "); ok {
			machine = cpu
		}
		if !strings.HasPrefix(line, "BenchmarkLogin/clients=16") {
			continue
		}
		for _, m := range metric.FindAllStringSubmatch(line, -1) {
			cost, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				return nil, err
			}
			costs[m[2]] = cost
		}
	}
	var routers []string
	for name := range costs {
		if router, ok := strings.CutPrefix(name, byHand); ok && costs[ours+router] > 0 {
			routers = append(routers, router)
		}
	}
	if err := lines.Err(); err != nil || len(routers) == 0 || costs[theLeast] == 0 {
		return nil, cmp.Or(err, errors.New("there is no BenchmarkLogin of 16 clients in what was read"))
	}
	slices.SortFunc(routers, func(a, b string) int { return cmp.Compare(costs[ours+a], costs[ours+b]) })

	const left, right, top, group, bar = 90, 650, 84, 46, 16
	highest := 0.0
	for _, cost := range costs {
		highest = max(highest, math.Ceil(cost))
	}
	x := func(cost float64) float64 { return left + cost/highest*(right-left) }
	bottom := top + group*len(routers)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 %d" role="img" aria-labelledby="title">
<title id="title">What a sign-in costs the server, in verifications of one signature</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.strong { font-weight: 600 }
.grid { stroke: #d1d9e0 }
.least { stroke: #1f2328; stroke-dasharray: 4 3 }
.ours { fill: #3553d1 }
.hand { fill: #a4abb6 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.small { fill: #9198a1 }
.grid { stroke: #3d444d }
.least { stroke: #e6edf3 }
.ours { fill: #9db0ff }
.hand { fill: #656c76 }
}
</style>
<text x="%d" y="20" class="strong">Processor time of a sign-in, begin and finish, in verifications of one signature</text>
<rect x="%d" y="34" width="12" height="12" class="ours"/><text x="%d" y="45">passkeys</text>
<rect x="%d" y="34" width="12" height="12" class="hand"/><text x="%d" y="45">handlers by hand, on go-webauthn</text>
<line x1="%d" y1="40" x2="%d" y2="40" class="least"/><text x="%d" y="45">the least that verifies</text>
`, bottom+58, left, left, left+18, left+100, left+118, left+352, left+378, left+384)
	for tick := range int(highest) + 1 {
		at := x(float64(tick))
		fmt.Fprintf(&b, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1[1]f\" y2=\"%[3]d\" class=\"grid\"/><text x=\"%.1[1]f\" y=\"%[4]d\" text-anchor=\"middle\" class=\"small\">%[5]d</text>\n",
			at, top-12, bottom, bottom+16, tick)
	}
	for i, router := range routers {
		y := top + group*i
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left-10, y+bar+5, router)
		for j, row := range []struct{ class, name string }{{"ours", ours + router}, {"hand", byHand + router}} {
			cost := costs[row.name]
			fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"%s\"/><text x=\"%.1f\" y=\"%d\" class=\"small\">%.1f</text>\n",
				left, y+j*(bar+2), x(cost)-left, bar, row.class, x(cost)+6, y+j*(bar+2)+12, cost)
		}
	}
	fmt.Fprintf(&b, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1[1]f\" y2=\"%[3]d\" class=\"least\"/>\n", x(costs[theLeast]), top-12, bottom)
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" class=\"small\">Medians over HTTP with 16 clients and all in memory. %s; less is better.</text>\n</svg>\n",
		left, bottom+42, strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(machine))
	return b.Bytes(), nil
}
