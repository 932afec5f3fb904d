package dev.batchnorm.tasks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class WorkersTest {
  private static void run(int tasks, int threads, IntConsumer task) {
    new Workers(tasks).run(Collections.nCopies(threads, task));
  }

  /** Waits for what another thread does; the test's timeout ends it if that never comes. */
  private interface Waiting {
    void await() throws Exception;
  }

  private static void uninterrupted(Waiting waiting) {
    try {
      waiting.await();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void doEveryTaskOnce(int threads) {
    for (int tasks : new int[] {0, 1, 2, 1000}) {
      AtomicIntegerArray done = new AtomicIntegerArray(tasks);
      run(tasks, threads, done::incrementAndGet);
      assertTrue(IntStream.range(0, tasks).allMatch(i -> done.get(i) == 1));
    }
  }

  @Test
  void workAtTheSameTime() {
    CyclicBarrier both = new CyclicBarrier(2);
    run(2, 2, task -> uninterrupted(both::await)); // would wait for ever one after the other
  }

  @Test
  void ofOneAreTheCallingThread() {
    Thread caller = Thread.currentThread();
    run(3, 1, task -> assertSame(caller, Thread.currentThread()));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void takeTurnsInOrder(int threads) {
    Workers workers = new Workers(500);
    List<Integer> order = new ArrayList<>();
    IntConsumer worker =
        task -> {
          workers.awaitTurn(task);
          order.add(task);
          workers.endTurn();
        };
    workers.run(Collections.nCopies(threads, worker));
    assertEquals(IntStream.range(0, 500).boxed().toList(), order);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void tellTheFailureAndHandOutNoMoreTasks(int threads) {
    AtomicIntegerArray done = new AtomicIntegerArray(100_000);
    InputException thrown = new InputException("x.npy: expected more");
    IntConsumer task =
        i -> {
          if (i == 10) {
            throw thrown;
          }
          done.incrementAndGet(i);
        };
    assertSame(thrown, assertThrows(InputException.class, () -> run(100_000, threads, task)));
    assertTrue(IntStream.range(0, 10).allMatch(i -> done.get(i) == 1), "those before are done");
    assertEquals(0, done.get(99_999));
  }

  @Test
  void tellTheEarliestOfSeveralFailures() {
    CyclicBarrier both = new CyclicBarrier(2);
    CountDownLatch laterFailed = new CountDownLatch(1);
    IntConsumer task =
        i -> {
          uninterrupted(both::await);
          if (i == 0) {
            uninterrupted(laterFailed::await);
          }
          laterFailed.countDown();
          throw new IllegalStateException("task " + i);
        };
    Exception told = assertThrows(IllegalStateException.class, () -> run(2, 2, task));
    assertEquals("task 0", told.getMessage());
    assertEquals(
        List.of("task 1"), Arrays.stream(told.getSuppressed()).map(Throwable::getMessage).toList());
  }

  @Test
  void tellAnErrorOfAnotherThread() {
    Thread caller = Thread.currentThread();
    CountDownLatch failed = new CountDownLatch(1);
    IntConsumer task =
        i -> {
          if (Thread.currentThread() != caller) {
            failed.countDown();
            throw new OutOfMemoryError("off the heap");
          }
          uninterrupted(failed::await);
        };
    assertEquals(
        "off the heap", assertThrows(OutOfMemoryError.class, () -> run(2, 2, task)).getMessage());
  }

  @Test
  void whoWaitsForATurnIsLetGoWhenItNeverComes() {
    Workers workers = new Workers(3);
    CountDownLatch othersCame = new CountDownLatch(2);
    InputException thrown = new InputException("x.npy: expected more");
    IntConsumer worker =
        task -> {
          if (task == 0) {
            uninterrupted(othersCame::await);
            throw thrown;
          }
          othersCame.countDown();
          workers.awaitTurn(task);
        };
    Exception told =
        assertThrows(InputException.class, () -> workers.run(Collections.nCopies(3, worker)));
    assertSame(thrown, told);
    assertEquals(0, told.getSuppressed().length, "who only waited has nothing to tell");
  }

  @Test
  void whoWaitsForATurnIsNotLetGoByAFailureAfterIt() {
    Workers workers = new Workers(3);
    CountDownLatch waits = new CountDownLatch(1);
    CountDownLatch fails = new CountDownLatch(1);
    InputException thrown = new InputException("x.csv: ended while it was read");
    AtomicIntegerArray done = new AtomicIntegerArray(3);
    IntConsumer worker =
        task -> {
          if (task == 0) {
            uninterrupted(fails::await);
            uninterrupted(() -> Thread.sleep(50)); // the failure is known by then
          }
          if (task == 1) {
            waits.countDown();
          }
          if (task == 2) {
            uninterrupted(waits::await);
            fails.countDown();
            throw thrown;
          }
          workers.awaitTurn(task);
          done.incrementAndGet(task);
          workers.endTurn();
        };
    Exception told =
        assertThrows(InputException.class, () -> workers.run(Collections.nCopies(3, worker)));
    assertSame(thrown, told);
    assertEquals("[1, 1, 0]", done.toString());
  }

  @Test
  void anInterruptReachesEveryThread() {
    Thread caller = Thread.currentThread();
    CountDownLatch never = new CountDownLatch(1);
    IntConsumer task =
        i -> {
          if (Thread.currentThread() == caller) {
            caller.interrupt(); // noticed where it waits for the other
            return;
          }
          try {
            never.await();
          } catch (InterruptedException e) {
            throw new InputException("x.npy: expected to read on, found an interrupt", null, e);
          }
        };
    // Each worker has one of the two tasks, for the other thread does not come back.
    CyclicBarrier both = new CyclicBarrier(2);
    assertThrows(
        InputException.class,
        () ->
            run(
                2,
                2,
                i -> {
                  uninterrupted(both::await);
                  task.accept(i);
                }));
    assertTrue(Thread.interrupted(), "the caller is told too");
  }

  @Test
  void anInterruptEndsTheWaitForATurn() {
    Workers workers = new Workers(1);
    Thread.currentThread().interrupt();
    assertThrows(CancellationException.class, () -> workers.awaitTurn(1));
    assertTrue(Thread.interrupted());
  }
}
