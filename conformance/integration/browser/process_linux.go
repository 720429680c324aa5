package browser

import (
	"os/exec"
	"syscall"
)

// diesWithUs ends the process when this one dies without having ended it, such as
// by a test's timeout.
func diesWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
