// Package mutualtls turns the --tls-* flags of the peers into TLS 1.3 configurations.
package mutualtls

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
)

// Flags names the PEM files of one side.
type Flags struct {
	cert, key, ca, serverName *string
	old                       *bool
}

// Define adds the flags; read them after flag.Parse.
func Define() *Flags {
	return &Flags{
		cert:       flag.String("tls-cert", "", "PEM certificate of this side"),
		key:        flag.String("tls-key", "", "PEM key of this side"),
		ca:         flag.String("tls-ca", "", "PEM trust bundle for the other side"),
		serverName: flag.String("tls-server-name", "", "client: name to verify instead of the address"),
		old:        flag.Bool("tls-1.2", false, "speak TLS 1.2 and nothing newer"),
	}
}

// Server is nil without --tls-cert. With --tls-ca a verified client certificate is required.
func (f *Flags) Server() (*tls.Config, error) {
	if *f.cert == "" {
		return nil, nil
	}
	cfg, err := f.load()
	if err != nil {
		return nil, err
	}
	if cfg.RootCAs != nil {
		cfg.ClientCAs = cfg.RootCAs
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return cfg, nil
}

// Client is nil without any --tls flag. Without --tls-cert it offers no certificate.
func (f *Flags) Client() (*tls.Config, error) {
	if *f.cert == "" && *f.ca == "" {
		return nil, nil
	}
	return f.load()
}

func (f *Flags) load() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: *f.serverName}
	if *f.old {
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	}
	if *f.cert != "" {
		pair, err := tls.LoadX509KeyPair(*f.cert, *f.key)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if *f.ca != "" {
		pem, err := os.ReadFile(*f.ca)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", *f.ca)
		}
	}
	return cfg, nil
}
