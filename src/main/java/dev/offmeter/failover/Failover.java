// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.endpoint.Answer;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The loop: one call, answered by the first endpoint that can. Safe for use by many threads.
 *
 * <p>What a failure means stands in {@link Judgement}; how time is shared out, in {@link Deadline};
 * how one attempt is bounded, in {@link TimedAttempt}; who may ask an endpoint at all, in {@link
 * Gate} and its {@link Breaker}.
 */
public final class Failover {
  private final List<Gate> gates;
  private final Gates registries = Gates.empty();
  private final Time time;
  private final Retries retries;
  private final WaitingLine line;
  private final LlmListener listener;
  private final AtomicLong calls = new AtomicLong();

  /**
   * A loop over the endpoints, in order of preference.
   *
   * @param listener hears of everything; must not throw
   */
  public Failover(
      List<EndpointSpec> endpoints, Transport transport, Time time, LlmListener listener) {
    this.time = time;
    this.listener = listener;
    this.retries = new Retries(time);
    this.line = new WaitingLine(time);
    WayBack wayBack = new TimedWayBack(() -> ThreadLocalRandom.current().nextDouble());
    this.gates =
        endpoints.stream()
            .map(
                spec ->
                    new Gate(
                        spec,
                        transport.to(spec),
                        time,
                        wayBack,
                        registries,
                        listener::endpointChanged))
            .toList();
  }

  /** The Resilience4j registries behind the gates. */
  public Gates registries() {
    return registries;
  }

  /**
   * Asks one endpoint after the other until one answers.
   *
   * @param total the limit of the whole call
   * @throws dev.offmeter.LlmException if none answers, or the call is cancelled
   */
  public ChatResponse chat(ChatRequest request, Duration total, Cancellation cancellation) {
    Story story = new Story(calls.incrementAndGet(), request.tags(), listener);
    return new OneCall(request, new Deadline(time, total), cancellation, story).run();
  }

  /** The state of one call on its way through the endpoints. */
  private final class OneCall {
    private final ChatRequest request;
    private final Deadline deadline;
    private final Cancellation cancellation;
    private final Story story;
    private final List<Gate> full = new ArrayList<>();

    OneCall(ChatRequest request, Deadline deadline, Cancellation cancellation, Story story) {
      this.request = request;
      this.deadline = deadline;
      this.cancellation = cancellation;
      this.story = story;
    }

    ChatResponse run() {
      try {
        return askAll();
      } catch (LlmException e) {
        throw e;
      } catch (RuntimeException | Error e) {
        story.brokenOff(e);
        throw e;
      }
    }

    private ChatResponse askAll() {
      for (int i = 0; i < gates.size(); i++) {
        stopIfCancelled();
        Gate gate = gates.get(i);
        ChatResponse response = knock(gate, stillToCome(i));
        if (response != null) {
          return response;
        }
      }
      return waitForAPlace();
    }

    private List<Gate> stillToCome(int i) {
      List<Gate> later = new ArrayList<>(gates.subList(i + 1, gates.size()));
      later.removeIf(Gate::isShut);
      return later;
    }

    /** Asks if the gate lets the call in. */
    private @Nullable ChatResponse knock(Gate gate, List<Gate> later) {
      Breaker.Permit permit;
      try {
        permit = gate.enter();
      } catch (Failure refusal) {
        if (refusal.kind() == FailureKind.GATE_FULL) {
          full.add(gate);
        }
        story.skips(gate.spec(), refusal);
        return null;
      }
      return askAndLeave(gate, permit, later);
    }

    /** Nobody else could answer: what is left are the endpoints that had no place. */
    private ChatResponse waitForAPlace() {
      while (!full.isEmpty()) {
        Gate gate = line.placeAtAnyOf(full, deadline.left(), cancellation);
        if (gate == null) {
          break;
        }
        full.remove(gate);
        ChatResponse response = enterWithPlace(gate);
        if (response != null) {
          return response;
        }
      }
      stopIfCancelled();
      throw story.exhausted(deadline.elapsed());
    }

    private @Nullable ChatResponse enterWithPlace(Gate gate) {
      boolean entered = false;
      Breaker.Permit permit;
      try {
        stopIfCancelled();
        permit = gate.enterWithPlace();
        entered = true;
      } catch (Failure refusal) {
        story.skips(gate.spec(), refusal);
        return null;
      } finally {
        if (!entered) {
          line.placeFreed(gate);
        }
      }
      return askAndLeave(gate, permit, stillFull());
    }

    /** The other endpoints that may yet have a place. */
    private List<Gate> stillFull() {
      List<Gate> later = new ArrayList<>(full);
      later.removeIf(Gate::isShut);
      return later;
    }

    /** The one place where a call that was let in leaves again, whatever became of it. */
    private @Nullable ChatResponse askAndLeave(Gate gate, Breaker.Permit permit, List<Gate> later) {
      long entered = time.nanos();
      try {
        ChatResponse response = ask(gate, permit, later);
        permit.answered(time.nanos() - entered);
        return response;
      } catch (Failure failure) {
        permit.failed(failure, time.nanos() - entered);
        if (Judgement.of(failure.kind()).next() == Judgement.Next.STOP) {
          throw story.stopped(failure.message());
        }
        return null;
      } finally {
        permit.release();
        line.placeFreed(gate);
      }
    }

    /** One attempt, and the retries that the endpoint allows and the deadline leaves room for. */
    private ChatResponse ask(Gate gate, Breaker.Permit permit, List<Gate> later) throws Failure {
      for (int retry = 1; ; retry++) {
        long share = deadline.share(later);
        if (share <= 0) {
          Failure late = Failure.of(FailureKind.OUT_OF_TIME, "the deadline left no time for it");
          story.skips(gate.spec(), late);
          throw late;
        }
        // Made before the listener hears of it, so that its share covers the listener too.
        TimedAttempt attempt = new TimedAttempt(gate, time, request, cancellation, share);
        story.asks(gate.spec());
        try {
          return answered(gate, attempt);
        } catch (Failure failure) {
          story.failed(gate.spec(), failure, attempt.elapsed());
          boolean current = permit.isCurrent();
          if (Judgement.of(failure.kind()).health() == Judgement.Health.COOLS_DOWN) {
            // Others must know at once, even if this call waits for the end of it.
            permit.failed(failure, attempt.elapsed());
          }
          Optional<Duration> pause =
              current
                  ? retries.pause(gate, failure, retry, deadline.share(later))
                  : Optional.empty();
          if (pause.isEmpty()) {
            throw failure;
          }
          retries.sleep(pause.get(), cancellation);
          stopIfCancelled();
          renew(permit, failure);
        }
      }
    }

    /** The endpoint may have gone down meanwhile, or be on trial with another call. */
    private static void renew(Breaker.Permit permit, Failure failure) throws Failure {
      try {
        permit.renew();
      } catch (Failure refusal) {
        throw failure;
      }
    }

    private ChatResponse answered(Gate gate, TimedAttempt attempt) throws Failure {
      Answer answer = attempt.run();
      return story.answered(
          gate.spec(), answer, attempt.elapsed(), attempt.timeToFirstPiece(), deadline.elapsed());
    }

    private void stopIfCancelled() {
      String reason = cancellation.reason();
      if (reason != null) {
        throw story.stopped(reason);
      }
    }
  }
}
