module microedge.test/plain

go 1.25.0

require (
	golang.org/x/time v0.14.0
	google.golang.org/protobuf v1.36.6
)
