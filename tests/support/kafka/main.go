// A Kafka broker in memory for tests: it prints its address, then every record of a topic as
// base64, one a line. The protocol is Kafka's own, by the library that the Collector's exporter uses.
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"os"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	topic := os.Args[1]
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	fmt.Println(cluster.ListenAddrs()[0])
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(topic))
	if err != nil {
		log.Fatal(err)
	}
	for {
		client.PollFetches(context.Background()).EachRecord(func(record *kgo.Record) {
			fmt.Println(base64.StdEncoding.EncodeToString(record.Value))
		})
	}
}
