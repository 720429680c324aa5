package passkeys

import (
	_ "embed" // the document
	"net/http"
)

//go:embed openapi.json
var openAPI string

// OpenAPI serves what the routes take and answer, those of [AdminRoutes] and
// [WellKnownRoutes] among them, as an OpenAPI 3.1 document in JSON. No route does:
// mount it where you want it, if you do.
//
//	mux.Handle("GET /openapi.json", passkeys.OpenAPI())
//
// Where the routes are mounted is a variable of its servers, whose default is
// /auth/passkeys, and /admin/passkeys for those of staff. It may be kept for an hour.
func OpenAPI() http.Handler {
	d := newDocument("openapi.json", []byte(openAPI))
	return http.HandlerFunc(d.serve)
}
