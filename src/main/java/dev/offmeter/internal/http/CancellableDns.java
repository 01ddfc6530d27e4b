// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import okhttp3.Dns;
import org.jspecify.annotations.Nullable;

/**
 * Makes DNS lookups cancellable. Neither OkHttp's connect timeout nor {@code Call.cancel()} covers
 * a resolver that hangs.
 */
final class CancellableDns implements Dns {
  /** The task of the current exchange: OkHttp resolves names on the thread that runs the call. */
  private static final ThreadLocal<@Nullable OffloadedTask> CURRENT = new ThreadLocal<>();

  private final Dns dns;
  private final Executor workers;

  CancellableDns(Dns dns, Executor workers) {
    this.dns = dns;
    this.workers = workers;
  }

  /** Lets {@code offloadedTask} cancel the lookups of this thread until {@link #unbind()}. */
  static void bind(OffloadedTask offloadedTask) {
    CURRENT.set(offloadedTask);
  }

  static void unbind() {
    CURRENT.remove();
  }

  @Override
  public List<InetAddress> lookup(String host) throws UnknownHostException {
    OffloadedTask asking = CURRENT.get();
    OffloadedTask offloadedTask =
        asking == null ? new OffloadedTask(workers, new UnreturnedTasks()) : asking;
    try {
      List<InetAddress> found = offloadedTask.lookUp(host, () -> dns.lookup(host));
      if (found.isEmpty()) {
        throw unknown(host, null);
      }
      return isOfThisMachine(host) ? onThisMachine(host, found) : found;
    } catch (ExecutionException e) {
      throw unknown(host, e.getCause());
    } catch (CancellationException e) {
      throw unknown(host, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw unknown(host, new InterruptedIOException());
    }
  }

  private static boolean isOfThisMachine(String host) {
    String name = host.toLowerCase(Locale.ROOT);
    return name.equals("localhost") || name.endsWith(".localhost");
  }

  /**
   * Accepts loopback addresses only. A key may go there in clear text, and so may what must stay on
   * one's own hardware (RFC 6761, section 6.3).
   */
  private static List<InetAddress> onThisMachine(String host, List<InetAddress> found)
      throws UnknownHostException {
    List<InetAddress> own = found.stream().filter(InetAddress::isLoopbackAddress).toList();
    if (own.isEmpty()) {
      throw new NotLoopbackException(host);
    }
    return own;
  }

  /** Thrown when a name that belongs to this machine resolves to another. */
  static final class NotLoopbackException extends UnknownHostException {
    private static final long serialVersionUID = 1L;

    private NotLoopbackException(String host) {
      super(host);
    }
  }

  private static UnknownHostException unknown(String host, @Nullable Throwable cause) {
    UnknownHostException unknown = new UnknownHostException(host);
    unknown.initCause(cause);
    return unknown;
  }
}
