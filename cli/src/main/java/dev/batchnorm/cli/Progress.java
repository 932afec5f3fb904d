package dev.batchnorm.cli;

import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Wording;
import java.io.PrintStream;

/**
 * A line on the terminal that says how far a long run is: how much was read, which many commands do
 * twice, and written. It is there after a second, and gone before anything else is said.
 */
final class Progress implements AutoCloseable {
  /** The launcher sets it where standard error is a terminal. */
  static final String TERMINAL = "batchnorm.terminal";

  private static final long FIRST = 1000; // milliseconds
  private static final long NEXT = 200;
  private static final String ERASE = "\r\u001b[K";

  private final PrintStream error;
  private final long start = System.nanoTime();
  private final long readBefore = InputBytes.bytesRead();
  private final long writtenBefore = AtomicOutput.bytesWritten();
  private boolean shown;
  private boolean ended;
  private long size;

  /** Begins at once; the line shows up later. */
  Progress(PrintStream error) {
    this.error = error;
    Thread thread = new Thread(this::run, "batchnorm-progress");
    thread.setDaemon(true);
    thread.start();
  }

  /** An input more. */
  synchronized void add(long bytes) {
    size += bytes;
  }

  private synchronized void run() {
    try {
      while (!ended) {
        long milliseconds = (System.nanoTime() - start) / 1_000_000;
        if (milliseconds >= FIRST) {
          show();
        }
        wait(Math.max(NEXT, FIRST - milliseconds));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void show() {
    long read = InputBytes.bytesRead() - readBefore;
    long written = AtomicOutput.bytesWritten() - writtenBefore;
    if (size > 0 && read > 0) {
      double seconds = (System.nanoTime() - start) / 1e9;
      error.print(ERASE + "batchnorm: " + text(read, written, size, seconds));
      error.flush();
      shown = true;
    }
  }

  /**
   * {@code 540.0 MB read (45 %), 130.1 MB a second}; without the share once inputs of that size are
   * read again.
   */
  static String text(long read, long written, long size, double seconds) {
    return Wording.size(read)
        + " read"
        + (read <= size ? " (" + 100 * read / size + " %)" : "")
        + (written > 0 ? ", " + Wording.size(written) + " written" : "")
        + ", "
        + Wording.size((long) ((read + written) / seconds))
        + " a second";
  }

  /** Prints something else with the line out of the way; it comes back unless this is closed. */
  synchronized void aside(Runnable print) {
    erase();
    print.run();
  }

  private void erase() {
    if (shown) {
      error.print(ERASE);
      error.flush();
      shown = false;
    }
  }

  @Override
  public synchronized void close() {
    ended = true;
    erase();
    notifyAll();
  }
}
