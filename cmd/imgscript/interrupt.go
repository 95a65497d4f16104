package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
)

// stopOnSignal returns a context that the first SIGINT or SIGTERM ends; the second one ends the program at once. The caller calls stop, which gives the signals
// back.
func stopOnSignal(ctx context.Context, display progress.Display) (stopped context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
		case <-done:
			return
		}
		cancel()
		display.Line("interrupted: stopping; once more to quit at once", progress.Notice)
		select {
		case <-signals:
			os.Exit(exitInterrupted)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-ended
		cancel()
	}
}
