// The yardstick for benchmarks: Agent.Echo in JSON on Go's plain net/http, nothing else. Prints
// "READY host:port"; stops on SIGTERM and, with --until-stdin-ends, when its standard input ends.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"microedge.test/plain/contract"
	"microedge.test/plain/mutualtls"
)

type echo struct {
	Text string `json:"text,omitempty"`
	Seq  int64  `json:"seq,omitempty,string"`
	Data []byte `json:"data,omitempty"`
}

// The limits that a careful service would set, so that both sides of the comparison have some.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	maxBodyBytes  = 4 << 20
)

func answer(w http.ResponseWriter, r *http.Request) {
	var msg echo
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes)).Decode(&msg); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := json.Marshal(msg)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// Without it net/http sends bodies of more than 2 KiB chunked.
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	stdin := flag.Bool("until-stdin-ends", false, "stop when standard input ends, too")
	files := mutualtls.Define()
	flag.Parse()
	cfg, err := files.Server()
	if err != nil {
		contract.Fatal(err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		contract.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(answer), TLSConfig: cfg,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() {
		if cfg == nil {
			err = server.Serve(listener)
		} else {
			err = server.ServeTLS(listener, "", "")
		}
		contract.Fatal(err)
	}()
	fmt.Printf("READY %s\n", listener.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if *stdin {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stop <- syscall.SIGTERM
		}()
	}
	<-stop
}
