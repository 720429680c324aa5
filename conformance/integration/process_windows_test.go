package integration

import (
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// These tests are vetted here, and their servers run elsewhere.

const (
	sigStop     = syscall.SIGTERM
	sigContinue = syscall.SIGTERM
)

func kill(int, syscall.Signal) {}

func runAs(*exec.Cmd, *owner) {}

func ownCPU() (time.Duration, error) { return 0, errors.ErrUnsupported }
