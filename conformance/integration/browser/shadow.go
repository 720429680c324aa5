package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
)

// Shadow is the inside of a custom element, by the selector of the element. Its
// methods are those of a Tab, and find what is inside.
type Shadow struct {
	*Tab
	Host string
}

// Inside returns the inside of the first element that the selector finds.
func (b *Tab) Inside(host string) *Shadow { return &Shadow{b, host} }

// Wait returns as soon as the condition is true. Beside what [Tab.Wait] offers,
// which is about the inside here, there are $(selector), the element there, and
// focused(selector). It goes on after a navigation.
func (s *Shadow) Wait(condition string) {
	s.Helper()
	script := fmt.Sprintf(`new Promise((resolve) => {
		const root = () => document.querySelector(%q)?.shadowRoot;
		const $ = (selector) => root()?.querySelector(selector);
		const text = (selector) => $(selector)?.innerText.trim().replace(/\s+/g, ' ');
		const shown = (selector) => Boolean($(selector)?.checkVisibility());
		const focused = (selector) => Boolean($(selector)) && root().activeElement === $(selector);
		const watched = { subtree: true, childList: true, attributes: true, characterData: true };
		const observer = new MutationObserver(look);
		observer.observe(document, watched);
		for (const event of ['focusin', 'focusout', 'load']) addEventListener(event, look, true);
		let seen;
		look();
		function look() {
			if (root() && root() !== seen) observer.observe((seen = root()), watched);
			if (!(%s)) return;
			observer.disconnect();
			resolve(true);
		}
	})`, s.Host, condition)
	err := s.Within(func(ctx context.Context) error {
		for {
			_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
			if err == nil || ctx.Err() != nil || !navigated(err) {
				return err
			}
		}
	})
	if errors.Is(err, context.DeadlineExceeded) {
		var inside string
		s.Eval(fmt.Sprintf(`document.querySelector(%q)?.shadowRoot?.innerHTML ?? 'nothing'`, s.Host), &inside)
		s.Fatalf("%s never got to: %s; %s\nInside is %s", s.Host, condition, s.Describe(), inside)
	}
	must(s.Tab, err)
}

// navigated says whether a script came to nothing because its page is gone.
func navigated(err error) bool {
	return slices.ContainsFunc([]string{"navigated", "context was destroyed", "Cannot find context", "Promise was collected"}, func(text string) bool {
		return strings.Contains(err.Error(), text)
	})
}

// Reads waits until the element's text is exactly want.
func (s *Shadow) Reads(selector, want string) {
	s.Helper()
	s.Wait(fmt.Sprintf(`text(%q) === %q`, selector, want))
}

// Click presses the mouse where the element is.
func (s *Shadow) Click(selector string) {
	s.Helper()
	s.Wait(fmt.Sprintf(`shown(%q)`, selector))
	s.Settle()
	var at struct{ X, Y float64 }
	s.Eval(fmt.Sprintf(`(() => {
		const element = document.querySelector(%q).shadowRoot.querySelector(%q);
		element.scrollIntoView({ block: 'nearest', behavior: 'instant' });
		const { x, y, width, height } = element.getBoundingClientRect();
		return { x: x + width / 2, y: y + height / 2 };
	})()`, s.Host, selector), &at)
	s.Do("click "+selector, chromedp.MouseClickXY(at.X, at.Y))
}

// Keys types text into a field in place of what is there.
func (s *Shadow) Keys(selector, text string) {
	s.Helper()
	s.Wait(fmt.Sprintf(`$(%q) && ($(%[1]q).value = '', $(%[1]q).focus(), true)`, selector))
	s.Do("type into "+selector, chromedp.KeyEvent(text))
}

// AX is what a screen reader makes of the page: each role with its name, and with
// a description after a bar, in the page's order. What is ignored is left out, and
// so is text.
func (b *Tab) AX() []string {
	b.Helper()
	text := func(v *accessibility.Value) (s string) {
		if v != nil {
			_ = json.Unmarshal(v.Value, &s)
		}
		return strings.Join(strings.Fields(s), " ")
	}
	nodes := Call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	byID := map[accessibility.NodeID]*accessibility.Node{}
	for _, n := range nodes {
		byID[n.NodeID] = n
	}
	var all []string
	var walk func(n *accessibility.Node)
	walk = func(n *accessibility.Node) {
		switch role := text(n.Role); role {
		case "StaticText", "InlineTextBox", "none", "generic", "paragraph", "LineBreak", "RootWebArea", "ListMarker", "LabelText", "time":
		default:
			if !n.Ignored {
				s := strings.TrimSpace(role + " " + text(n.Name))
				if d := text(n.Description); d != "" {
					s += " | " + d
				}
				all = append(all, s)
			}
		}
		for _, id := range n.ChildIDs {
			if child := byID[id]; child != nil {
				walk(child)
			}
		}
	}
	if len(nodes) > 0 {
		walk(nodes[0])
	}
	return all
}
