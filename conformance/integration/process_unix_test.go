//go:build unix

package integration

import (
	"os/exec"
	"syscall"
	"time"
)

const (
	sigStop     = syscall.SIGSTOP
	sigContinue = syscall.SIGCONT
)

func kill(pid int, signal syscall.Signal) { _ = syscall.Kill(pid, signal) }

// runAs has a process belong to somebody else.
func runAs(cmd *exec.Cmd, o *owner) {
	if o != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}}
	}
}

// ownCPU is what this process has used of it. Not /proc/PID/stat, whose ticks are 10 ms:
// a batch would be a handful.
func ownCPU() (time.Duration, error) {
	var usage syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), err
}
