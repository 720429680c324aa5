package conformance_test

import "testing"

// The example's file holds no test, so that the documentation shows it whole.
func TestDrawer(t *testing.T) { testDrawer(t) }
