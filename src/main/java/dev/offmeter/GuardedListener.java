// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.Slf4jListener;
import dev.offmeter.wire.ForeignCode;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells the log and all listeners; what one of them throws harms neither the call nor the rest. */
final class GuardedListener implements LlmListener {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final LlmListener[] listeners;
  private final Set<LlmListener> said = ConcurrentHashMap.newKeySet();

  GuardedListener(List<LlmListener> listeners) {
    this.listeners =
        Stream.concat(Stream.of(new Slf4jListener()), listeners.stream())
            .toArray(LlmListener[]::new);
  }

  @Override
  public void callStarted(long call, Map<String, String> tags) {
    tell(listener -> listener.callStarted(call, tags));
  }

  @Override
  public void attemptStarted(long call, String endpoint, String model) {
    tell(listener -> listener.attemptStarted(call, endpoint, model));
  }

  @Override
  public void attemptEnded(long call, Attempt attempt) {
    tell(listener -> listener.attemptEnded(call, attempt));
  }

  @Override
  public void attemptSkipped(long call, Attempt attempt) {
    tell(listener -> listener.attemptSkipped(call, attempt));
  }

  @Override
  public void fellThrough(long call, Attempt attempt, String next) {
    tell(listener -> listener.fellThrough(call, attempt, next));
  }

  @Override
  public void callAnswered(long call, ChatResponse response) {
    tell(listener -> listener.callAnswered(call, response));
  }

  @Override
  public void callFailed(long call, LlmException exception) {
    tell(listener -> listener.callFailed(call, exception));
  }

  @Override
  public void endpointChanged(EndpointChange change) {
    tell(listener -> listener.endpointChanged(change));
  }

  private void tell(Consumer<LlmListener> event) {
    for (LlmListener listener : listeners) {
      Throwable thrown = ForeignCode.tell(() -> event.accept(listener));
      if (thrown != null) {
        Throwable unused = ForeignCode.tell(() -> say(listener, thrown));
      }
    }
  }

  /** The class only: a listener's message may hold what it was told. */
  private void say(LlmListener listener, Throwable thrown) {
    if (said.add(listener)) {
      LOG.warn(
          "listener {} threw {}, which is ignored; said once",
          listener.getClass().getName(),
          thrown.getClass().getName());
    }
  }
}
