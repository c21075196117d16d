// A bounded attack on an agent over loopback, mixed from everything that is cheap for a stranger or for
// a peer gone wild, while other peers behave: connections that are held without a word, and one that
// makes a call now and then and measures how long it waits.
//
// Prints one JSON object; what is good enough is for the caller to say. Attackers use source addresses
// of their own (127.0.1.x), the peers that behave use 127.0.0.1.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"microedge.test/plain/contract"
	"microedge.test/plain/mutualtls"
)

type options struct {
	target                               string
	held, flooders, depth, shakers, slow int
	resetters, ramp                      int
	every, timeout                       time.Duration
	behaved                              *tls.Config
	identities, strangers                []*tls.Config
	tally                                *tally
}

func main() {
	o := &options{tally: newTally()}
	flag.StringVar(&o.target, "target", "", "host:port, on loopback")
	flag.IntVar(&o.held, "held", 200, "connections that are held without a call")
	flag.IntVar(&o.flooders, "flooders", 48, "connections that call without pause, bodies of 100 B and 10 KiB")
	flag.IntVar(&o.depth, "depth", 4, "calls that each of these sends before it reads the answers")
	flag.IntVar(&o.shakers, "shakers", 16, "peers that do nothing but handshakes, half of them strangers")
	flag.IntVar(&o.slow, "slow", 16, "peers that send a byte now and then: hellos, headers, bodies")
	flag.IntVar(&o.resetters, "resetters", 4, "peers that reset in the middle")
	flag.IntVar(&o.ramp, "ramp", 1000, "dials within two seconds in the middle of the flood")
	flag.DurationVar(&o.every, "every", 25*time.Millisecond, "pause between the calls of the peer that behaves")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Second, "a call without an answer by then has timed out")
	span := flag.Duration("span", 10*time.Second, "how long the flood lasts")
	identities := flag.String("identities", "", "folder of NAME.crt and NAME.key of flooding peers, known to the agent")
	strangers := flag.String("strangers", "", "folder of those of another authority")
	files := mutualtls.Define()
	flag.Parse()
	if host, _, err := net.SplitHostPort(o.target); err != nil || !net.ParseIP(host).IsLoopback() {
		contract.Fatal(fmt.Errorf("--target must be on loopback, not %q", o.target))
	}
	cfg, err := files.Client()
	if err != nil {
		contract.Fatal(err)
	}
	o.behaved = cfg
	o.identities = load(cfg, *identities)
	o.strangers = append(load(cfg, *strangers), &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: cfg.RootCAs})

	held := o.hold()
	fmt.Printf("HELD %d\n", len(held))
	ctx, stop := context.WithTimeout(context.Background(), *span)
	defer stop()
	latencies := o.attack(ctx)
	fmt.Println("CALM")
	answered := 0
	for _, peer := range held {
		if err := peer.exchange(1, 30*time.Second); err == nil {
			answered++
		} else {
			o.tally.add("held", err)
		}
	}
	out, err := json.Marshal(map[string]any{
		"held": len(held), "heldAnswered": answered,
		"behaved": map[string]any{"answered": len(latencies), "p50Us": at(latencies, 0.5), "p99Us": at(latencies, 0.99)},
		"counts":  o.tally.counts,
	})
	if err != nil {
		contract.Fatal(err)
	}
	fmt.Println(string(out))
}

// attack runs everything at once until ctx ends; the result is what the peer that behaves waited.
func (o *options) attack(ctx context.Context) []time.Duration {
	var actors sync.WaitGroup
	start := func(count int, act func(context.Context, int)) {
		for number := range count {
			actors.Go(func() { act(ctx, number) })
		}
	}
	start(o.flooders, o.flood)
	start(o.shakers, o.shake)
	start(o.slow, o.dawdle)
	start(o.resetters, o.reset)
	start(min(o.ramp, 1), o.climb)
	latencies := o.behave(ctx)
	actors.Wait()
	return latencies
}

// load gives a configuration for each certificate of a folder; none without a folder.
func load(like *tls.Config, folder string) []*tls.Config {
	if folder == "" {
		return nil
	}
	certs, err := filepath.Glob(filepath.Join(folder, "*.crt"))
	if err != nil {
		contract.Fatal(err)
	}
	var all []*tls.Config
	for _, cert := range certs {
		key := cert[:len(cert)-len(".crt")] + ".key"
		if _, err := os.Stat(key); err != nil {
			continue // an authority's own
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			contract.Fatal(err)
		}
		cfg := like.Clone()
		cfg.Certificates = []tls.Certificate{pair}
		all = append(all, cfg)
	}
	return all
}

// at gives a quantile in microseconds.
func at(latencies []time.Duration, share float64) int64 {
	if len(latencies) == 0 {
		return 0
	}
	slices.Sort(latencies)
	return latencies[int(share*float64(len(latencies)-1))].Microseconds()
}

// tally counts by actor and outcome.
type tally struct {
	sync.Mutex
	counts map[string]int
}

func newTally() *tally { return &tally{counts: map[string]int{}} }

func (t *tally) add(actor string, err error) {
	t.Lock()
	defer t.Unlock()
	t.counts[actor+":"+outcome(err)]++
}
