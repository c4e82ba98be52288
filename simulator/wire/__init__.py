"""Below gRPC and HTTP: TLS certificates, and a proxy that breaks streams and connections."""
