package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoMakesAValueOnce(t *testing.T) {
	m := newMemo[string, int](nil)
	var calls atomic.Int32
	release := make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			v, err := m.get(t.Context(), "k", func(context.Context) (int, time.Time, error) {
				calls.Add(1)
				<-release
				return 7, time.Time{}, nil
			})
			if v != 7 || err != nil {
				t.Errorf("got %d, %v", v, err)
			}
		})
	}
	close(release)
	wg.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
}

func TestMemoWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemo[string, int](nil)
		release, ended := make(chan struct{}), false
		fill := func(ctx context.Context) (int, time.Time, error) {
			select {
			case <-release:
				return 7, time.Time{}, nil
			case <-ctx.Done():
				ended = true
				return 0, time.Time{}, ctx.Err()
			}
		}
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { // the first, which started the call, leaves; the call goes on for the second
			if _, err := m.get(impatient, "k", fill); !errors.Is(err, context.Canceled) {
				t.Errorf("the one that left got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if v, err := m.get(t.Context(), "k", fill); v != 7 || err != nil {
				t.Errorf("the one that stayed got %d, %v", v, err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		wg.Wait()
		if ended {
			t.Error("the call ended although somebody waited")
		}
	})
}

func TestMemoLastWaiterEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemo[string, int](nil)
		ended := false
		ctx, cancel := context.WithCancel(t.Context())
		go func() { synctest.Wait(); cancel() }()
		_, err := m.get(ctx, "k", func(ctx context.Context) (int, time.Time, error) {
			<-ctx.Done()
			ended = true
			return 0, time.Time{}, ctx.Err()
		})
		if !errors.Is(err, context.Canceled) || !ended {
			t.Errorf("error %v, call ended: %v", err, ended)
		}
		v, err := m.get(t.Context(), "k", func(context.Context) (int, time.Time, error) { return 8, time.Time{}, nil })
		if v != 8 || err != nil {
			t.Errorf("the next got %d, %v", v, err)
		}
	})
}

// Who comes while an abandoned call is still ending does not get its end.
func TestMemoNewcomerDoesNotJoinAnAbandonedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemo[string, int](nil)
		ctx, cancel := context.WithCancel(t.Context())
		go m.get(ctx, "k", func(ctx context.Context) (int, time.Time, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // a helper being killed, say
			return 0, time.Time{}, ctx.Err()
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		v, err := m.get(t.Context(), "k", func(context.Context) (int, time.Time, error) { return 8, time.Time{}, nil })
		if v != 8 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
		time.Sleep(2 * time.Second)
		if v, ok := m.peek("k"); v != 8 || !ok {
			t.Errorf("kept %d, %v", v, ok)
		}
	})
}

func TestMemoForgets(t *testing.T) {
	c := newClock()
	m := newMemo[string, int](c.now)
	n := 0
	get := func() int {
		v, err := m.get(t.Context(), "k", func(context.Context) (int, time.Time, error) {
			n++
			return n, c.now().Add(time.Minute), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	steps := []struct {
		name string
		do   func()
		want int
	}{
		{"at first", func() {}, 1},
		{"shortly before the end", func() { c.add(59 * time.Second) }, 1},
		{"at the end", func() { c.add(time.Second) }, 2},
		{"dropped", func() { m.drop("k", func(v int) bool { return v == 2 }) }, 3},
		{"another dropped", func() { m.drop("k", func(v int) bool { return v == 2 }) }, 3},
	}
	for _, s := range steps {
		s.do()
		if got := get(); got != s.want {
			t.Errorf("%s: got %d, want %d", s.name, got, s.want)
		}
	}
}

func TestMemoKeepsNoErrorsAndSurvivesPanics(t *testing.T) {
	m := newMemo[string, int](nil)
	_, err := m.get(t.Context(), "k", func(context.Context) (int, time.Time, error) { panic("boom") })
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
	if _, ok := m.peek("k"); ok {
		t.Error("the error was kept")
	}
	v, err := m.get(t.Context(), "k", func(context.Context) (int, time.Time, error) { return 1, time.Time{}, nil })
	if v != 1 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
}
