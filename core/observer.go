package passkeys

import "context"

// Observer sees each step of a ceremony start and end, and so can time it: for
// metrics and traces. It is called on the goroutine that serves the request, by
// many at once.
//
// All it is told comes from closed sets, whatever a client sends, so that each
// value can label a metric.
type Observer interface {
	// Observe is called when a step starts. The step goes on with the context
	// that it returns, and calls the function once, when it ends. Where either is
	// nil, it goes on with its own, or calls nothing.
	Observe(ctx context.Context, step Step) (context.Context, func(Outcome))
}

// Step is a part of a ceremony. At begin it has the options made and the challenge
// issued; at finish the response verified and the outcome stored, and at a
// registration OnRegistered asked, at a confirmation OnConfirmed.
type Step struct {
	Ceremony CeremonyName
	Name     StepName
}

// CeremonyName says which ceremony a [Step] is of.
type CeremonyName string

// The ceremonies.
const (
	CeremonyRegistration   CeremonyName = "registration"
	CeremonyAuthentication CeremonyName = "authentication"
	CeremonyConfirmation   CeremonyName = "confirmation"
)

// StepName says which part of its ceremony a [Step] is.
type StepName string

// The steps.
const (
	StepBegin  StepName = "begin"
	StepFinish StepName = "finish"
	// StepUse, of a confirmation alone: a guard was given its proof.
	StepUse StepName = "use"
)

// Outcome is how a [Step] ended.
type Outcome struct {
	// Mode is "" where the step failed before it was known.
	Mode Mode
	// Reason is "" for a step that succeeded.
	Reason Reason
	// Authenticator is what [Provider], the function, calls what made the response,
	// and "other" where it has no name, as for the zero AAGUID. It is "" where no
	// response was verified: nobody can sign for a decoy, and who cannot sign for a
	// passkey says nothing of whose it is.
	Authenticator string
	// Operation is [Operation].Name, "" where there is none: the application's, and
	// so as closed a set as it makes it.
	Operation string
}

// ChangeObserver is an [Observer] that also hears what becomes of passkeys.
type ChangeObserver interface {
	// ObserveChange is called once it is stored, on the goroutine that did it, by many
	// at once.
	ObserveChange(ctx context.Context, c Change)
}

// Change is what became of a passkey.
type Change string

// The changes. What package importer brings in, its report counts.
const (
	ChangeAdded       Change = "added"
	ChangeRenamed     Change = "renamed"
	ChangeRevoked     Change = "revoked"
	ChangeQuarantined Change = "quarantined"
	ChangeRestored    Change = "restored"
)

func (p *Passkeys) changed(ctx context.Context, c Change) {
	if o, ok := p.cfg.Observer.(ChangeObserver); ok {
		o.ObserveChange(ctx, c)
	}
}

// succeeded and failed are the audit events of the step.
func (s Step) succeeded() AuditEventType {
	switch s {
	case Step{CeremonyRegistration, StepBegin}:
		return RegistrationBegan
	case Step{CeremonyRegistration, StepFinish}:
		return RegistrationSucceeded
	case Step{CeremonyAuthentication, StepBegin}:
		return AuthenticationBegan
	case Step{CeremonyAuthentication, StepFinish}:
		return AuthenticationSucceeded
	case Step{CeremonyConfirmation, StepBegin}:
		return ConfirmationBegan
	case Step{CeremonyConfirmation, StepFinish}:
		return ConfirmationSucceeded
	default:
		return ConfirmationUsed
	}
}

func (s Step) failed() AuditEventType {
	switch s.Ceremony {
	case CeremonyRegistration:
		return RegistrationFailed
	case CeremonyAuthentication:
		return AuthenticationFailed
	default:
		return ConfirmationFailed
	}
}
