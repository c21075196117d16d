// A go-micro v4 service for interop tests and benchmarks: Greeter, the agent's own Agent.Echo and
// Agent.EchoStream, Fleet.Report, and, with --debug-handler, go-micro's Debug handler. Prints one line
// "READY host:port" when it serves; stops on SIGTERM and when its standard input ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/client"
	dbg "go-micro.dev/v4/debug/handler"
	merr "go-micro.dev/v4/errors"
	"go-micro.dev/v4/logger"
	"go-micro.dev/v4/metadata"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/server"
	"go-micro.dev/v4/transport"

	"microedge.test/plain/agentpb"
	"microedge.test/plain/contract"
	"microedge.test/plain/fleetreport"
	pb "microedge.test/plain/greeterpb"
	"microedge.test/plain/mutualtls"
)

// Greeter has one method for each thing that can happen to a call.
type Greeter struct{}

func (g *Greeter) Hello(ctx context.Context, req *pb.HelloRequest, rsp *pb.HelloResponse) error {
	rsp.GreetingText = "hello " + req.FirstName
	rsp.SeqNo = req.SeqNo
	rsp.Blob = req.Blob
	return nil
}

// Headers returns the metadata that the handler sees, one "k=v" a line.
func (g *Greeter) Headers(ctx context.Context, req *pb.HelloRequest, rsp *pb.HelloResponse) error {
	md, _ := metadata.FromContext(ctx)
	for k, v := range md {
		rsp.GreetingText += k + "=" + v + "\n"
	}
	if d, ok := ctx.Deadline(); ok {
		rsp.GreetingText += fmt.Sprintf("deadline_ms=%d\n", time.Until(d).Milliseconds())
	}
	return nil
}

func (g *Greeter) Fail(ctx context.Context, req *pb.HelloRequest, rsp *pb.HelloResponse) error {
	return merr.New("greeter.fail", "no such "+req.FirstName, 404)
}

func (g *Greeter) Plain(ctx context.Context, req *pb.HelloRequest, rsp *pb.HelloResponse) error {
	return errors.New("plain failure for " + req.FirstName)
}

func (g *Greeter) Panic(ctx context.Context, req *pb.HelloRequest, rsp *pb.HelloResponse) error {
	panic("boom")
}

// Slow answers after seq_no milliseconds, or not at all when the deadline comes first.
func (g *Greeter) Slow(ctx context.Context, req *pb.HelloRequest, rsp *pb.HelloResponse) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(req.SeqNo) * time.Millisecond):
	}
	rsp.GreetingText = "slept"
	rsp.SeqNo = req.SeqNo
	return nil
}

// Chat echoes until the client ends the stream; "fail" ends it with an error, "bye" without one.
func (g *Greeter) Chat(ctx context.Context, s server.Stream) error {
	for {
		req := &pb.HelloRequest{}
		err := s.Recv(req)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch req.FirstName {
		case "fail":
			return merr.New("greeter.chat", "chat failed", 500)
		case "bye":
			return nil
		}
		rsp := &pb.HelloResponse{GreetingText: "chat " + req.FirstName, SeqNo: req.SeqNo, Blob: req.Blob}
		if err := s.Send(rsp); err != nil {
			return err
		}
	}
}

// Count sends seq_no responses to one request, then ends the stream.
func (g *Greeter) Count(ctx context.Context, s server.Stream) error {
	req := &pb.HelloRequest{}
	if err := s.Recv(req); err != nil {
		return err
	}
	for i := int64(1); i <= req.SeqNo; i++ {
		rsp := &pb.HelloResponse{GreetingText: "count", SeqNo: i, Last: i == req.SeqNo}
		if err := s.Send(rsp); err != nil {
			return err
		}
	}
	return nil
}

// Agent answers what every microedge agent answers, so that both can be measured with one client.
type Agent struct{}

func (a *Agent) Echo(ctx context.Context, req *agentpb.Echo, rsp *agentpb.Echo) error {
	rsp.Text, rsp.Seq, rsp.Data = req.Text, req.Seq, req.Data
	return nil
}

func (a *Agent) EchoStream(ctx context.Context, s server.Stream) error {
	for {
		msg := &agentpb.Echo{}
		err := s.Recv(msg)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(msg); err != nil {
			return err
		}
	}
}

// Fleet takes what devices report of their identities.
type Fleet struct {
	ledger fleetreport.Ledger
	refuse int64
}

func (f *Fleet) Report(ctx context.Context, req *fleetreport.Report, rsp *fleetreport.Taken) error {
	if req.Report == f.refuse {
		return merr.BadRequest("fleet.report", "report %d is not wanted", req.Report)
	}
	again, err := f.ledger.Take(req)
	rsp.Again = again
	return err
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	name := flag.String("name", "greeter", "service name")
	version := flag.String("version", "1.0.0", "service version")
	debug := flag.Bool("debug-handler", false, "serve go-micro's Debug handler")
	refuse := flag.Int64("refuse-report", 0, "answer Fleet.Report with a 400 for the report of this number")
	stdin := flag.Bool("until-stdin-ends", false, "stop when standard input ends, too")
	files := mutualtls.Define()
	flag.Parse()

	cfg, err := files.Server()
	if err != nil {
		contract.Fatal(err)
	}
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.ErrorLevel), logger.WithOutput(os.Stderr))
	r := registry.NewMemoryRegistry()
	b := broker.NewBroker(broker.Addrs("127.0.0.1:0"), broker.Registry(r))
	var topts []transport.Option
	if cfg != nil {
		topts = append(topts, transport.Secure(true), transport.TLSConfig(cfg))
	}
	s := server.NewRPCServer(
		server.Name(*name), server.Version(*version), server.Address(*addr),
		server.Registry(r), server.Broker(b), server.WithLogger(logger.DefaultLogger),
		server.Transport(transport.NewHTTPTransport(topts...)),
	)
	fleet := &Fleet{ledger: fleetreport.Ledger{Out: os.Stdout}, refuse: *refuse}
	handlers := []server.Handler{
		s.NewHandler(new(Greeter)), s.NewHandler(new(Agent)), s.NewHandler(fleet),
	}
	if *debug {
		handlers = append(handlers,
			s.NewHandler(dbg.NewHandler(client.DefaultClient), server.InternalHandler(true)))
	}
	for _, handler := range handlers {
		if err := s.Handle(handler); err != nil {
			contract.Fatal(err)
		}
	}
	if err := s.Start(); err != nil {
		contract.Fatal(err)
	}
	fmt.Printf("READY %s\n", s.Options().Address)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if *stdin {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stop <- syscall.SIGTERM
		}()
	}
	<-stop
	s.Stop()
}
