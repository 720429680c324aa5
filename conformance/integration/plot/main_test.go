package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

const printed = `goos: linux
cpu: A & B <fast>
BenchmarkLogin/clients=1-2  1  9.0 ours-on-gin-verifications  9.5 go-webauthn-by-hand-on-gin-verifications  8.0 the-least-that-verifies-verifications
BenchmarkLogin/clients=16-2 1  3.5 ours-on-gin-verifications  3.25 ours-on-chi-verifications  0.5 ours-on-chi-begin-alone-verifications  3.75 go-webauthn-by-hand-on-gin-verifications  4.0 go-webauthn-by-hand-on-chi-verifications  2.5 the-least-that-verifies-verifications
PASS
`

func TestDraw(t *testing.T) {
	picture, err := draw(strings.NewReader(printed))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	bars := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(string(picture))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
		}
		switch token := token.(type) {
		case xml.CharData:
			words = append(words, string(token))
		case xml.StartElement:
			for _, a := range token.Attr {
				if strings.Contains(a.Value, "!") { // of fmt
					t.Errorf("%s has %s=%q", token.Name.Local, a.Name.Local, a.Value)
				}
				if token.Name.Local == "rect" && a.Name.Local == "width" && a.Value != "12" {
					bars[a.Value]++
				}
			}
		}
	}
	all := strings.Join(words, " ")
	if !strings.Contains(all, "A & B <fast>") || strings.Index(all, " chi ") > strings.Index(all, " gin ") || strings.Contains(all, "9.0") {
		t.Errorf("it says %q", all)
	}
	// 560 pixels are 4.
	for _, width := range []string{"490.0", "455.0", "525.0", "560.0"} {
		if bars[width] != 1 {
			t.Errorf("there are %v; want one of %s", bars, width)
		}
	}
}

func TestNothingToDraw(t *testing.T) {
	for _, text := range []string{"", "PASS\n", strings.ReplaceAll(printed, "clients=16", "clients=4"), strings.ReplaceAll(printed, "least", "most")} {
		if picture, err := draw(strings.NewReader(text)); err == nil {
			t.Errorf("of %q it draws\n%s", text, picture)
		}
	}
}
