// Package fleetreport is what a fleet's service knows of the reports that microedge agents send.
package fleetreport

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Report is one change of a device's identity. (Device, Epoch, Report) names it.
type Report struct {
	V           int      `json:"v"`
	Device      string   `json:"device"`
	Epoch       string   `json:"epoch"`
	Report      int64    `json:"report"`
	Kind        string   `json:"kind"`
	Outcome     string   `json:"outcome"`
	Generation  int64    `json:"generation"`
	At          int64    `json:"at"`
	Vouched     bool     `json:"vouched"`
	Serial      string   `json:"serial"`
	Fingerprint string   `json:"fingerprint"`
	NotAfter    int64    `json:"notAfter"`
	Origin      string   `json:"origin"`
	Reasons     []Reason `json:"reasons"`
	Intent      string   `json:"intent,omitempty"`
	Lost        int64    `json:"lost"`
}

// Reason says why, for programs and for people.
type Reason struct {
	Code  string `json:"code"`
	Words string `json:"words"`
}

// Taken is the answer; the device looks at nothing in it.
type Taken struct {
	Again bool `json:"again,omitempty"`
}

type name struct {
	device, epoch string
	report        int64
}

// Ledger takes each report once and prints it as a line "REPORT {json}", or "AGAIN {json}".
type Ledger struct {
	Out  io.Writer
	lock sync.Mutex
	seen map[name]bool
}

// Take reports whether the ledger had it already.
func (l *Ledger) Take(report *Report) (bool, error) {
	line, err := json.Marshal(report)
	if err != nil {
		return false, err
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.seen == nil {
		l.seen = make(map[name]bool)
	}
	key := name{report.Device, report.Epoch, report.Report}
	again := l.seen[key]
	l.seen[key] = true
	word := "REPORT"
	if again {
		word = "AGAIN"
	}
	_, err = fmt.Fprintf(l.Out, "%s %s\n", word, line)
	return again, err
}
