"""Messages and stubs generated from `proto/proto/bivouac/v1` with grpcio-tools; not written by hand."""
