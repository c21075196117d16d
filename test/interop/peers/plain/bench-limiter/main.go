// Command bench-limiter measures golang.org/x/time/rate the way servers use it for limits per client: a
// map from the client's name to its limiter. One JSON object:
//
//	{"bytesPerClient": …, "nsPerTake": …, "nsPerRefusal": …, "allowed": …}
//
// Bytes are live heap after each client's first take; the names are held by the caller already. CPU is
// the thread's own, of takes in random order.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"sort"
	"syscall"

	"golang.org/x/time/rate"
)

func main() {
	clients := flag.Int("clients", 100_000, "distinct clients")
	takes := flag.Int("takes", 2_000_000, "takes in each round")
	rounds := flag.Int("rounds", 5, "rounds, of which the median counts")
	flag.Parse()

	names := make([]string, *clients)
	for at := range names {
		names[at] = fmt.Sprintf("spiffe://fleet.example/gateway/%06d", at)
	}
	random := rand.New(rand.NewSource(1))
	order := make([]int32, *takes)
	for at := range order {
		order[at] = int32(random.Intn(*clients))
	}

	before := liveHeap()
	limiters := make(map[string]*rate.Limiter)
	allowed := 0
	take := func(name string, perSecond rate.Limit, burst int) {
		limiter, known := limiters[name]
		if !known {
			limiter = rate.NewLimiter(perSecond, burst)
			limiters[name] = limiter
		}
		if limiter.Allow() {
			allowed++
		}
	}
	for _, name := range names {
		take(name, 1000, 2000)
	}
	bytes := float64(liveHeap()-before) / float64(*clients)
	round := func() float64 {
		start := cpuNs()
		for _, client := range order {
			take(names[client], 1000, 2000)
		}
		return float64(cpuNs()-start) / float64(*takes)
	}
	perTake := median(*rounds, round)
	let := allowed
	for _, limiter := range limiters {
		limiter.SetLimit(0.001)
		limiter.SetBurst(1)
		limiter.Allow()
	}
	perRefusal := median(*rounds, round)
	if allowed-let > *clients {
		fmt.Fprintln(os.Stderr, "bench-limiter: refused takes were allowed")
		os.Exit(1)
	}
	runtime.KeepAlive(limiters)
	json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"bytesPerClient": bytes, "nsPerTake": perTake, "nsPerRefusal": perRefusal, "allowed": float64(let),
	})
}

func median(rounds int, round func() float64) float64 {
	results := make([]float64, rounds)
	for at := range results {
		results[at] = round()
	}
	sort.Float64s(results)
	return results[rounds/2]
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func cpuNs() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
