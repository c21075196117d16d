package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// peer is one connection with requests of its own, made beforehand.
type peer struct {
	socket  net.Conn
	reader  *bufio.Reader
	request []byte
}

// refusal is an answer that says no: 401, 429, 503.
type refusal struct{ status string }

func (r refusal) Error() string { return "refused " + r.status }

var errAnswer = errors.New("the answer is not one to this call")

// outcome is a word for the table: ok, timeout, refused-STATUS, closed.
func outcome(err error) string {
	var timeout net.Error
	var refused refusal
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refused):
		return "refused-" + refused.status
	case errors.Is(err, errAnswer):
		return "wrong"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "closed"
	}
}

func (o *options) request(bodyBytes int) []byte {
	body := fmt.Sprintf(`{"text":"%s"}`, strings.Repeat("f", bodyBytes))
	return fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nContent-Type: application/json\r\n"+
		"Micro-Service: microedge\r\nMicro-Endpoint: Agent.Echo\r\nMicro-Id: 1\r\n\r\n%s", o.target, len(body), body)
}

// connect dials from an address of the number's own; attacker 0 is nobody: the peers that behave.
func (o *options) connect(ctx context.Context, cfg *tls.Config, attacker int) (net.Conn, error) {
	from := net.IPv4(127, 0, 0, 1)
	if attacker > 0 {
		from = net.IPv4(127, 0, 1, byte(1+attacker%250))
	}
	dialer := &net.Dialer{Timeout: o.timeout, LocalAddr: &net.TCPAddr{IP: from}}
	if cfg == nil {
		return dialer.DialContext(ctx, "tcp", o.target)
	}
	limited, stop := context.WithTimeout(ctx, o.timeout)
	defer stop()
	return (&tls.Dialer{NetDialer: dialer, Config: cfg}).DialContext(limited, "tcp", o.target)
}

func (o *options) dial(ctx context.Context, cfg *tls.Config, attacker, bodyBytes int) (*peer, error) {
	socket, err := o.connect(ctx, cfg, attacker)
	if err != nil {
		return nil, err
	}
	return &peer{socket: socket, reader: bufio.NewReaderSize(socket, 16<<10), request: o.request(bodyBytes)}, nil
}

// exchange sends count calls at once and reads their answers.
func (p *peer) exchange(count int, timeout time.Duration) error {
	if err := p.socket.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := p.socket.Write(bytes.Repeat(p.request, count)); err != nil {
		return err
	}
	var first error
	for range count {
		err := p.answer()
		var refused refusal
		if err != nil && !errors.As(err, &refused) {
			return err // the connection is of no more use
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (p *peer) answer() error {
	status, err := p.reader.ReadString('\n')
	if err != nil {
		return err
	}
	length, micro := -1, ""
	for {
		line, err := p.reader.ReadString('\n')
		if err != nil {
			return err
		}
		name, value, found := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !found {
			break
		}
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		case "micro-error":
			micro = value
		}
	}
	body := make([]byte, max(0, length))
	if _, err := io.ReadFull(p.reader, body); err != nil {
		return err
	}
	if micro != "" {
		for _, status := range []string{"401", "408", "429", "503"} {
			if strings.Contains(micro, `"code":`+status) {
				return refusal{status}
			}
		}
		return errAnswer
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200") || !bytes.Contains(body, []byte(`"text":"ff`)) {
		return errAnswer
	}
	return nil
}
