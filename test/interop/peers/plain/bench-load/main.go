// A closed-loop load generator for Agent.Echo in JSON over HTTP/1.1: each connection sends a
// request made beforehand, waits for the whole reply, and sends the next. The same bytes are
// understood by microedge, go-micro and bench-nethttp. go-micro's own client is not used, because
// it costs more than the servers that are measured.
//
// Prints one JSON object. Exits 1 when a reply was missing or wrong.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"microedge.test/plain/contract"
	"microedge.test/plain/mutualtls"
)

const streamDigits = 12

var errMicro = errors.New("the server answered with an error")

type request struct {
	bytes []byte
	// streamAt is where the number of Micro-Stream starts; -1 without one.
	streamAt int
	text     string
}

// newRequest builds an Agent.Echo call whose body is bodyBytes long.
func newRequest(target, service, endpoint string, bodyBytes int, unique bool) request {
	const frame = `{"text":""}`
	text := strings.Repeat("e", max(0, bodyBytes-len(frame)))
	body := fmt.Sprintf(`{"text":"%s"}`, text)
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: %d\r\n", target, len(body))
	fmt.Fprintf(&b, "Accept: application/json\r\nContent-Type: application/json\r\n")
	fmt.Fprintf(&b, "Micro-Service: %s\r\nMicro-Endpoint: %s\r\nMicro-Method: %s\r\nMicro-Id: 0\r\nTimeout: 5000000000\r\n", service, endpoint, endpoint)
	streamAt := -1
	if unique {
		b.WriteString("Micro-Stream: ")
		streamAt = b.Len()
		fmt.Fprintf(&b, "%0*d\r\n", streamDigits, 0)
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	return request{bytes: b.Bytes(), streamAt: streamAt, text: text}
}

type connection struct {
	socket  net.Conn
	reader  *bufio.Reader
	request []byte
	reply   []byte
}

func dial(target string, cfg *tls.Config, req request, timeout time.Duration) (*connection, error) {
	dialer := &net.Dialer{Timeout: timeout}
	var socket net.Conn
	var err error
	if cfg == nil {
		socket, err = dialer.Dial("tcp", target)
	} else {
		socket, err = tls.DialWithDialer(dialer, "tcp", target, cfg)
	}
	if err != nil {
		return nil, err
	}
	return &connection{socket: socket, reader: bufio.NewReaderSize(socket, 32<<10), request: slices.Clone(req.bytes)}, nil
}

// call sends the request and reads one reply into c.reply.
func (c *connection) call(timeout time.Duration) error {
	if err := c.socket.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := c.socket.Write(c.request); err != nil {
		return err
	}
	status, err := c.reader.ReadSlice('\n')
	if err != nil {
		return err
	}
	good := bytes.HasPrefix(status, []byte("HTTP/1.1 200"))
	length := -1
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, value, found := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if !found {
			break
		}
		switch textproto.CanonicalMIMEHeaderKey(string(name)) {
		case "Content-Length":
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		case "Micro-Error":
			good = false
		}
	}
	if length < 0 {
		return errors.New("reply without Content-Length")
	}
	c.reply = slices.Grow(c.reply[:0], length)[:length]
	if _, err := io.ReadFull(c.reader, c.reply); err != nil {
		return err
	}
	if !good {
		return errMicro
	}
	return nil
}

// answers tells whether the reply carries the request's text back.
func (c *connection) answers(req request) bool {
	var reply struct{ Text string }
	return json.Unmarshal(c.reply, &reply) == nil && reply.Text == req.text
}

type totals struct {
	sync.Mutex
	lost, failed, wrong int
	errors              map[string]int
	latencies           []time.Duration
	replyBytes          int
}

func (t *totals) add(err error) {
	t.Lock()
	defer t.Unlock()
	t.errors[err.Error()]++
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		t.lost++
	default:
		t.failed++
	}
}

func main() {
	target := flag.String("target", "", "host:port")
	service := flag.String("service", "microedge", "service name")
	endpoint := flag.String("endpoint", "Agent.Echo", "Handler.Method")
	connections := flag.Int("connections", 8, "connections, each with one call in flight")
	calls := flag.Int("calls", 1000, "calls that are measured, over all connections")
	warmup := flag.Int("warmup", 0, "calls before these, not measured")
	bodyBytes := flag.Int("bytes", 100, "bytes of the request body")
	unique := flag.Bool("unique-stream", false, "send a Micro-Stream of its own with each call")
	reconnect := flag.Bool("reconnect", false, "make a new connection, with a full handshake, for every call")
	hold := flag.Bool("hold", false, "make one call on each connection, print HELD, keep all open until standard input ends")
	timeout := flag.Duration("timeout", 2*time.Second, "a call without an answer by then is lost")
	files := mutualtls.Define()
	flag.Parse()
	cfg, err := files.Client()
	if err != nil {
		contract.Fatal(err)
	}
	req := newRequest(*target, *service, *endpoint, *bodyBytes, *unique)

	if *hold {
		var held []*connection
		for range *connections {
			c, err := dial(*target, cfg, req, *timeout)
			if err != nil {
				contract.Fatal(err)
			}
			if err := c.call(*timeout); err != nil {
				contract.Fatal(err)
			}
			held = append(held, c)
		}
		fmt.Printf("HELD %d\n", *connections)
		io.Copy(io.Discard, os.Stdin)
		// What nothing refers to is collected, and its socket is closed with it.
		runtime.KeepAlive(held)
		return
	}

	t := &totals{errors: map[string]int{}}
	var numbers atomic.Int64
	run := func(total int, measured bool) time.Duration {
		var next atomic.Int64
		var workers sync.WaitGroup
		ready := make(chan struct{})
		var dialled sync.WaitGroup
		for range *connections {
			workers.Add(1)
			dialled.Add(1)
			go func() {
				defer workers.Done()
				var latencies []time.Duration
				var c *connection
				var err error
				checked := false
				if !*reconnect {
					c, err = dial(*target, cfg, req, *timeout)
				}
				dialled.Done()
				<-ready
				for next.Add(1) <= int64(total) {
					begin := time.Now()
					if c == nil {
						if c, err = dial(*target, cfg, req, *timeout); err != nil {
							t.add(err)
							continue
						}
					}
					if req.streamAt >= 0 {
						copy(c.request[req.streamAt:], fmt.Sprintf("%0*d", streamDigits, numbers.Add(1)))
					}
					err = c.call(*timeout)
					if err != nil {
						t.add(err)
					} else if !checked && !c.answers(req) {
						t.Lock()
						t.wrong++
						t.Unlock()
					}
					checked = true
					if measured && err == nil {
						latencies = append(latencies, time.Since(begin))
					}
					if err != nil || *reconnect {
						c.socket.Close()
						c = nil
					}
				}
				t.Lock()
				if measured {
					t.latencies = append(t.latencies, latencies...)
				}
				if c != nil {
					t.replyBytes = len(c.reply)
				}
				t.Unlock()
				if c != nil {
					c.socket.Close()
				}
			}()
		}
		dialled.Wait()
		start := time.Now()
		close(ready)
		workers.Wait()
		return time.Since(start)
	}
	if *warmup > 0 {
		run(*warmup, false)
		fmt.Fprintln(os.Stderr, "WARM")
	}
	elapsed := run(*calls, true)

	slices.Sort(t.latencies)
	at := func(share float64) float64 {
		if len(t.latencies) == 0 {
			return 0
		}
		return float64(t.latencies[int(share*float64(len(t.latencies)-1))].Microseconds())
	}
	out, err := json.Marshal(map[string]any{
		"calls": *calls, "answered": len(t.latencies), "lost": t.lost, "failed": t.failed, "wrong": t.wrong,
		"errors": t.errors, "seconds": elapsed.Seconds(), "perSecond": float64(len(t.latencies)) / elapsed.Seconds(),
		"p50Us": at(0.5), "p99Us": at(0.99), "maxUs": at(1), "replyBytes": t.replyBytes,
	})
	if err != nil {
		contract.Fatal(err)
	}
	fmt.Println(string(out))
	if t.lost+t.failed+t.wrong > 0 {
		os.Exit(1)
	}
}
