// A go-micro v4 client for interop tests. Prints JSON lines (plain/contract): one per reply of a
// stream or single call, one with the totals of many calls. Exits 0 when every call was answered
// rightly, 1 when one was not, 2 when used wrongly.
package main

import (
	"context"
	"flag"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/errors"
	"go-micro.dev/v4/metadata"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/selector"
	"go-micro.dev/v4/transport"

	"microedge.test/plain/contract"
	"microedge.test/plain/mutualtls"
)

var contentTypes = map[string]string{
	"json": "application/json", "proto": "application/protobuf",
	"json-rpc": "application/json-rpc", "proto-rpc": "application/proto-rpc",
}

type peer struct {
	client   client.Client
	ctx      context.Context
	options  []client.CallOption
	service  string
	endpoint string
	kind     contract.Kind
	request  proto.Message
}

func main() {
	target := flag.String("target", "", "host:port")
	service := flag.String("service", "greeter", "service name")
	endpoint := flag.String("endpoint", "Greeter.Hello", "Handler.Method")
	codec := flag.String("codec", "json", "json, proto, json-rpc, proto-rpc or a content type")
	legacy := flag.Bool("legacy", false, "use a registry node without protocol metadata: go-micro then switches to its old codecs")
	mode := flag.String("mode", "unary", "unary, chat (send and receive in turn), burst (send all, then receive) or count (send one, receive all)")
	body := flag.String("body", "{}", "request as JSON")
	padding := flag.Int("bytes", 0, "bytes to add to the request")
	calls := flag.Int("calls", 1, "calls, or messages of a stream; numbered from 0 when more than 1")
	concurrency := flag.Int("concurrency", 1, "calls in flight")
	timeout := flag.Duration("timeout", 5*time.Second, "per call")
	retries := flag.Int("retries", 0, "go-micro's own retries")
	last := flag.String("last", "", "stream: JSON message to send last, instead of closing at once")
	md := map[string]string{}
	flag.Func("md", "metadata k=v; may be given again", func(pair string) error {
		k, v, _ := strings.Cut(pair, "=")
		md[k] = v
		return nil
	})
	files := mutualtls.Define()
	flag.Parse()

	contentType, known := contentTypes[*codec]
	if !known {
		contentType = *codec
	}
	cfg, err := files.Client()
	if err != nil {
		contract.Fatal(err)
	}
	r := registry.NewMemoryRegistry()
	if *legacy {
		node := &registry.Node{Id: "legacy-1", Address: *target}
		r.Register(&registry.Service{Name: *service, Version: "1", Nodes: []*registry.Node{node}})
	}
	var topts []transport.Option
	if cfg != nil {
		topts = append(topts, transport.Secure(true), transport.TLSConfig(cfg))
	}
	p := peer{
		client: client.NewClient(
			client.ContentType(contentType), client.Registry(r),
			client.Selector(selector.NewSelector(selector.Registry(r))),
			client.Broker(broker.NewBroker(broker.Registry(r))),
			client.RequestTimeout(*timeout), client.Retries(*retries), client.PoolSize(*concurrency),
			client.Transport(transport.NewHTTPTransport(topts...)),
		),
		ctx:      metadata.NewContext(context.Background(), md),
		service:  *service,
		endpoint: *endpoint,
		kind:     contract.KindOf(*endpoint),
		// On this transport the connection timeout, not the request timeout, limits a call.
		options: []client.CallOption{func(o *client.CallOptions) { o.ConnectionTimeout = *timeout }},
	}
	if !*legacy {
		p.options = append(p.options, client.WithAddress(*target))
	}
	if p.request, err = p.kind.Request(*body, *padding); err != nil {
		contract.Fatal(err)
	}

	good := false
	switch {
	case *mode == "unary" && *calls == 1:
		good = p.once()
	case *mode == "unary":
		good = p.many(*calls, *concurrency)
	default:
		good = p.stream(*mode, *calls, *last)
	}
	if !good {
		os.Exit(1)
	}
}

func (p *peer) call(request proto.Message) (proto.Message, error) {
	response := p.kind.Response()
	return response, p.client.Call(p.ctx, p.client.NewRequest(p.service, p.endpoint, request), response, p.options...)
}

func (p *peer) once() bool {
	response, err := p.call(p.request)
	if err != nil {
		contract.Line{Event: "error", Error: err.Error()}.Print()
		return false
	}
	contract.Reply("reply", response).Print()
	return true
}

func (p *peer) many(calls, concurrency int) bool {
	line := contract.Line{Event: "calls", Calls: calls, Errors: map[string]int{}}
	var next atomic.Int64
	var mutex sync.Mutex
	var workers sync.WaitGroup
	start := time.Now()
	for range concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for {
				seq := next.Add(1) - 1
				if seq >= int64(calls) {
					return
				}
				request := contract.Number(p.request, seq)
				response, err := p.call(request)
				mutex.Lock()
				switch {
				case err != nil && errors.Parse(err.Error()).Code == 408:
					line.Lost++
					line.Errors[err.Error()]++
				case err != nil:
					line.Failed++
					line.Errors[err.Error()]++
				case !contract.Answers(request, response):
					line.Wrong++
				}
				mutex.Unlock()
			}
		}()
	}
	workers.Wait()
	line.Seconds = time.Since(start).Seconds()
	line.Print()
	return line.Lost+line.Failed+line.Wrong == 0
}

func (p *peer) stream(mode string, messages int, last string) bool {
	stream, err := p.client.Stream(p.ctx,
		p.client.NewRequest(p.service, p.endpoint, p.request, client.StreamingRequest()), p.options...)
	if err != nil {
		contract.Line{Event: "error", Error: err.Error()}.Print()
		return false
	}
	send := func(msg proto.Message) bool {
		if err := stream.Send(msg); err != nil {
			contract.Line{Event: "error", Error: "send: " + err.Error()}.Print()
			return false
		}
		return true
	}
	// Receives up to limit messages; false when the stream ended before.
	receive := func(limit int) bool {
		for range limit {
			response := p.kind.Response()
			err := stream.Recv(response)
			if err == io.EOF {
				contract.Line{Event: "end"}.Print()
				return false
			}
			if err != nil {
				contract.Line{Event: "error", Error: err.Error()}.Print()
				return false
			}
			contract.Reply("message", response).Print()
		}
		return true
	}
	const all = 1 << 30
	switch mode {
	case "count":
		send(p.request)
		receive(all)
	case "burst":
		for i := range messages {
			send(contract.Number(p.request, int64(i)))
		}
		receive(messages)
	default:
		for i := range messages {
			if !send(contract.Number(p.request, int64(i))) || !receive(1) {
				return false
			}
		}
	}
	if last != "" {
		msg, err := p.kind.Request(last, 0)
		if err != nil {
			contract.Fatal(err)
		}
		send(msg)
		receive(all)
	}
	if err := stream.Close(); err != nil {
		contract.Line{Event: "error", Error: "close: " + err.Error()}.Print()
		return false
	}
	contract.Line{Event: "closed"}.Print()
	return true
}
