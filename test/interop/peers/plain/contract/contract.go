// Package contract knows the message types of the endpoints that the peers call, and prints what
// happened as JSON lines.
package contract

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"microedge.test/plain/agentpb"
	"microedge.test/plain/greeterpb"
)

// Kind is a pair of request and response types.
type Kind struct {
	request, response func() proto.Message
}

// KindOf picks the types by the handler's name in "Handler.Method": Agent, Debug (any JSON object;
// for the JSON codec only), or else Greeter.
func KindOf(endpoint string) Kind {
	if strings.HasPrefix(endpoint, "Debug.") {
		object := func() proto.Message { return &structpb.Struct{} }
		return Kind{request: object, response: object}
	}
	if strings.HasPrefix(endpoint, "Agent.") {
		echo := func() proto.Message { return &agentpb.Echo{} }
		return Kind{request: echo, response: echo}
	}
	return Kind{
		request:  func() proto.Message { return &greeterpb.HelloRequest{} },
		response: func() proto.Message { return &greeterpb.HelloResponse{} },
	}
}

// Request reads body, the JSON form of the request, and adds padding bytes to its bytes field.
func (k Kind) Request(body string, padding int) (proto.Message, error) {
	msg := k.request()
	if err := protojson.Unmarshal([]byte(body), msg); err != nil {
		return nil, fmt.Errorf("--body: %w", err)
	}
	if padding > 0 {
		blob := make([]byte, padding)
		for i := range blob {
			blob[i] = byte(i)
		}
		switch m := msg.(type) {
		case *agentpb.Echo:
			m.Data = blob
		case *greeterpb.HelloRequest:
			m.Blob = blob
		}
	}
	return msg, nil
}

// Response is an empty response of the kind.
func (k Kind) Response() proto.Message { return k.response() }

// Number returns a copy of a request with its sequence number set.
func Number(msg proto.Message, seq int64) proto.Message {
	msg = proto.Clone(msg)
	switch m := msg.(type) {
	case *agentpb.Echo:
		m.Seq = seq
	case *greeterpb.HelloRequest:
		m.SeqNo = seq
	}
	return msg
}

// Answers tells whether the response carries the request's number and bytes back.
func Answers(request, response proto.Message) bool {
	switch rsp := response.(type) {
	case *agentpb.Echo:
		return proto.Equal(request, rsp)
	case *greeterpb.HelloResponse:
		req, ok := request.(*greeterpb.HelloRequest)
		return ok && req.SeqNo == rsp.SeqNo && string(req.Blob) == string(rsp.Blob)
	}
	return false
}

// Line is one line of output.
type Line struct {
	Event string `json:"event"`
	// Reply is the JSON form of a message.
	Reply json.RawMessage `json:"reply,omitempty"`
	// Error is the text of the error as the go-micro client gave it.
	Error string `json:"error,omitempty"`
	// Calls, Lost (timed out), Failed (answered with an error) and Wrong (another call's answer).
	Calls  int            `json:"calls,omitempty"`
	Lost   int            `json:"lost"`
	Failed int            `json:"failed"`
	Wrong  int            `json:"wrong"`
	Errors map[string]int `json:"errors,omitempty"`
	// Seconds of wall time.
	Seconds float64 `json:"seconds,omitempty"`
}

// Print writes a line to standard output.
func (l Line) Print() {
	bytes, err := json.Marshal(l)
	if err != nil {
		Fatal(err)
	}
	fmt.Println(string(bytes))
}

// Reply makes a line of a message.
func Reply(event string, msg proto.Message) Line {
	bytes, err := protojson.Marshal(msg)
	if err != nil {
		Fatal(err)
	}
	return Line{Event: event, Reply: bytes}
}

// Fatal ends the program because it was used wrongly or the machine failed, not the other side.
func Fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
