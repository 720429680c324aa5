// Package client is the browser's half of passkeys: an ES module that performs
// the ceremonies, words for what can go wrong in them, two custom elements that
// are a whole front end, what extensions give to a page, and their types. The
// routes of package passkeys serve these files beside themselves, so that page and
// server never differ in version:
//
//	<script type="module" src="/auth/passkeys/elements.js"></script>
//	<passkey-sign-in></passkey-sign-in>
//
// They need no build step and no other file, and nothing that a strict
// Content-Security-Policy refuses: script-src 'self' will do. The folder is an npm
// package too, for pages that are built.
package client

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"path"
	"time"
)

//go:embed *.js *.d.ts
var embedded embed.FS

// File is one of the files that pages load.
type File struct {
	// Name is how it is called in the URL: client.js, words.js, elements.js,
	// extensions.js, or one of these with .d.ts in place of .js.
	Name string
	// Version is its content's hash, so that it changes when the file does.
	Version string

	content []byte
}

// Files returns all of them, in the order of their names.
func Files() []File {
	entries, err := embedded.ReadDir(".")
	if err != nil {
		panic(err) // only where they were not embedded
	}
	files := make([]File, len(entries))
	for i, entry := range entries {
		content, err := embedded.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		files[i] = File{entry.Name(), base64.RawURLEncoding.EncodeToString(sum[:12]), content}
	}
	return files
}

// URL is the file's URL, relative to where the routes are mounted. It has the
// version in it, so that browsers keep the file for a year and still load the next
// one at once. Without, they ask each time whether it has changed. A cache in front
// of the server must tell the two apart, as all do that heed the query.
func (f File) URL() string { return f.Name + "?v=" + f.Version }

// ServeHTTP answers a request for the file, whatever its path, with a strong ETag.
// It may be kept for ever under URL; under another version, such as that of a
// server that is about to be replaced, it must not.
func (f File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	if path.Ext(f.Name) == ".ts" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == f.Version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+f.Version+`"`)
	http.ServeContent(w, r, f.Name, time.Time{}, bytes.NewReader(f.content))
}
