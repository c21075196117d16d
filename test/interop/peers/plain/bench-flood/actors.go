package main

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"microedge.test/plain/contract"
)

const (
	smallBytes = 80
	largeBytes = 10 << 10
	// dialsAtOnce keeps the peers that behave within what an agent lets wait.
	dialsAtOnce = 2
	// patience is how long an attacker rests that was turned away, so that the load stays bounded.
	patience = 20 * time.Millisecond
	drip     = 200 * time.Millisecond
)

// hold opens the connections that are held; each makes one call. Ends the program if one can't.
func (o *options) hold() []*peer {
	held := make([]*peer, o.held)
	slots := make(chan struct{}, dialsAtOnce)
	var dials sync.WaitGroup
	for number := range held {
		slots <- struct{}{}
		dials.Go(func() {
			defer func() { <-slots }()
			p, err := o.dial(context.Background(), o.behaved, 0, smallBytes)
			if err == nil {
				err = p.exchange(1, o.timeout)
			}
			if err != nil {
				contract.Fatal(err)
			}
			held[number] = p
		})
	}
	dials.Wait()
	return held
}

// behave makes one call at a time with pauses, and a new connection when it lost its own.
func (o *options) behave(ctx context.Context) []time.Duration {
	var latencies []time.Duration
	var p *peer
	for ctx.Err() == nil {
		begin := time.Now()
		var err error
		if p == nil {
			if p, err = o.dial(ctx, o.behaved, 0, smallBytes); err != nil {
				o.unlessOver(ctx, "behaved-dial", err)
				pause(ctx, patience)
				continue
			}
			begin = time.Now() // what a dial takes is the handshake flood's to show
		}
		if err = p.exchange(1, o.timeout); err == nil {
			latencies = append(latencies, time.Since(begin))
		} else if outcome(err) == "closed" || outcome(err) == "timeout" {
			p.socket.Close()
			p = nil
		}
		o.tally.add("behaved", err)
		pause(ctx, o.every)
	}
	if p != nil {
		p.socket.Close()
	}
	return latencies
}

// flood calls without a pause, every third with a large body.
func (o *options) flood(ctx context.Context, number int) {
	cfg := o.identities[number%len(o.identities)]
	size := smallBytes
	if number%3 == 0 {
		size = largeBytes
	}
	for ctx.Err() == nil {
		p, err := o.dial(ctx, cfg, 1+number, size)
		if err != nil {
			o.unlessOver(ctx, "flood-dial", err)
			pause(ctx, patience)
			continue
		}
		for ctx.Err() == nil {
			err = p.exchange(o.depth, o.timeout)
			o.tally.add("flood", err)
			if outcome(err) == "closed" || outcome(err) == "timeout" {
				break
			}
			if err != nil {
				pause(ctx, patience)
			}
		}
		p.socket.Close()
	}
}

// shake makes full handshakes and hangs up; every other one is a stranger.
func (o *options) shake(ctx context.Context, number int) {
	for round := number; ctx.Err() == nil; round++ {
		cfg := o.identities[round%len(o.identities)]
		if round%2 == 0 {
			cfg = o.strangers[round/2%len(o.strangers)]
		}
		socket, err := o.connect(ctx, cfg, 60+number)
		o.unlessOver(ctx, "handshake", err)
		if err != nil {
			pause(ctx, patience)
			continue
		}
		socket.Close()
	}
}

// dawdle sends a byte now and then: of a hello, of headers, of a body.
func (o *options) dawdle(ctx context.Context, number int) {
	hello := []byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}
	request := o.request(largeBytes)
	for ctx.Err() == nil {
		var cfg *tls.Config
		bytes := hello
		if number%3 != 0 {
			cfg = o.identities[number%len(o.identities)]
			bytes = request
		}
		socket, err := o.connect(ctx, cfg, 100+number)
		if err != nil {
			pause(ctx, patience)
			continue
		}
		if number%3 == 2 { // the headers at once, then a slow body
			if _, err = socket.Write(bytes[:400]); err == nil {
				bytes = bytes[400:]
			}
		}
		for sent := 0; err == nil && sent < len(bytes) && ctx.Err() == nil; sent++ {
			_, err = socket.Write(bytes[sent : sent+1])
			pause(ctx, drip)
		}
		o.unlessOver(ctx, "slow", err)
		socket.Close()
	}
}

// reset breaks off in the middle: of the handshake, of a request, of an answer.
func (o *options) reset(ctx context.Context, number int) {
	request := o.request(largeBytes)
	for round := number; ctx.Err() == nil; round++ {
		raw, err := o.connect(ctx, nil, 140+number)
		if err != nil {
			pause(ctx, patience)
			continue
		}
		if round%3 > 0 {
			secure := tls.Client(raw, o.clientOf(round))
			if secure.HandshakeContext(ctx) == nil {
				secure.Write(request[:len(request)/(round%3)])
			}
		} else {
			raw.Write([]byte{22, 3, 1})
		}
		if tcp, ok := raw.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		raw.Close()
		o.tally.add("reset", nil)
		pause(ctx, patience)
	}
}

func (o *options) clientOf(round int) *tls.Config {
	cfg := o.identities[round%len(o.identities)].Clone()
	cfg.ServerName = "127.0.0.1"
	return cfg
}

// climb dials and dials: the connections say nothing and stay for a moment.
func (o *options) climb(ctx context.Context, _ int) {
	pause(ctx, 2*time.Second)
	var dials sync.WaitGroup
	for number := range o.ramp {
		dials.Go(func() {
			socket, err := o.connect(ctx, nil, 150+number%90)
			o.unlessOver(ctx, "ramp", err)
			if err == nil {
				pause(ctx, 2*time.Second)
				socket.Close()
			}
		})
		pause(ctx, 2*time.Millisecond)
	}
	dials.Wait()
}

// unlessOver counts, but not what only the end of the flood broke off.
func (o *options) unlessOver(ctx context.Context, actor string, err error) {
	if err == nil || ctx.Err() == nil {
		o.tally.add(actor, err)
	}
}

func pause(ctx context.Context, span time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(span):
	}
}
