// read-metrics reads figures and alert rules as Prometheus itself does: a text exposition on standard
// input, and the rule files that are named. It prints the metric families as JSON, or why it takes one of
// them for wrong.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

type family struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Help    string `json:"help"`
	Samples int    `json:"samples"`
}

func main() {
	for _, file := range os.Args[1:] {
		if _, problems := rulefmt.ParseFile(file, false, model.LegacyValidation); len(problems) > 0 {
			fail(problems[0])
		}
	}
	text := expfmt.NewTextParser(model.LegacyValidation)
	found, err := text.TextToMetricFamilies(os.Stdin)
	if err != nil {
		fail(err)
	}
	families := []family{}
	for name, each := range found {
		families = append(families, family{name, each.GetType().String(), each.GetHelp(), len(each.GetMetric())})
	}
	if err := json.NewEncoder(os.Stdout).Encode(families); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
