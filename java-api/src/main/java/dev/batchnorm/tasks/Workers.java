package dev.batchnorm.tasks;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Threads that share tasks, handed out one by one in their order. After the first failure none is
 * handed out any more.
 */
public final class Workers {
  private final int tasks;
  private final AtomicInteger next = new AtomicInteger();

  // Guarded by this.
  private int turn;
  private int failedTask;
  private @Nullable Throwable failure;

  /** For the tasks 0 … tasks − 1. */
  public Workers(int tasks) {
    this.tasks = tasks;
  }

  /**
   * Does all tasks, on the calling thread and one more for each worker but the first; returns when
   * every worker has ended. An interrupt of the calling thread reaches them all.
   *
   * @throws RuntimeException or an Error: what the earliest task that failed threw, with the others
   *     suppressed
   */
  public void run(List<? extends IntConsumer> workers) {
    List<Thread> threads = new ArrayList<>();
    try {
      for (IntConsumer worker : workers.subList(1, workers.size())) {
        Thread thread = new Thread(() -> work(worker), "batchnorm-worker-" + threads.size());
        thread.setDaemon(true);
        thread.start();
        threads.add(thread);
      }
      work(workers.get(0));
    } catch (OutOfMemoryError e) {
      fail(tasks, e); // no memory for one thread more
    } finally {
      join(threads);
    }
    rethrowFailure();
  }

  private void work(IntConsumer worker) {
    for (int task = next.getAndIncrement(); task < tasks; task = next.getAndIncrement()) {
      try {
        worker.accept(task);
      } catch (RuntimeException | Error e) {
        fail(task, e);
        return;
      }
    }
  }

  private synchronized void fail(int task, Throwable thrown) {
    next.set(tasks);
    if (failure == null || task < failedTask) {
      suppress(thrown, failure);
      failure = thrown;
      failedTask = task;
    } else {
      suppress(failure, thrown);
    }
    notifyAll();
  }

  /** Keeps what else was thrown, but for tasks that only waited for one that failed. */
  private static void suppress(Throwable told, @Nullable Throwable other) {
    if (other != null && other != told && !(other instanceof CancellationException)) {
      told.addSuppressed(other);
    }
  }

  private static void join(List<Thread> threads) {
    boolean interrupted = false;
    for (Thread thread : threads) {
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          interrupted = true;
          threads.forEach(Thread::interrupt);
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized void rethrowFailure() {
    if (failure instanceof RuntimeException exception) {
      throw exception;
    }
    if (failure instanceof Error error) {
      throw error;
    }
  }

  /**
   * Waits until every task before this one has called {@link #endTurn}. The failure of a later one
   * changes nothing: an earlier one may still have something to tell.
   *
   * @throws CancellationException if one of those before failed, or this thread was interrupted
   */
  public synchronized void awaitTurn(int task) {
    while (turn != task) {
      if (failure != null && failedTask < task) {
        throw new CancellationException("an earlier task failed");
      }
      try {
        wait();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new CancellationException("interrupted while it waited for an earlier task");
      }
    }
  }

  /** Lets the next task have its turn. */
  public synchronized void endTurn() {
    turn++;
    notifyAll();
  }
}
