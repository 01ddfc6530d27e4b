// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testing.AcceleratedTime;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** One thread's calls, one after the other, and the checks of their answers. */
final class RandomCaller implements Runnable {
  static final String TEMPLATE = "template";

  /** The longest wait in real time: everything that is awaited is sooner. */
  private static final Duration FOR_EVER = Duration.ofSeconds(60);

  private static final int SOON_MILLIS = 150;

  /** The objects that all callers of a run share; {@code made} counts their calls. */
  record SharedState(
      LlmClient client,
      AcceleratedTime time,
      RunReport report,
      MachineDelay machineDelay,
      ScheduledExecutorService others,
      RunSettings settings,
      ClosedAt closedAt,
      AtomicLong made) {}

  /** The moment at which the client was closed, in real nanoseconds. */
  static final class ClosedAt {
    private final AtomicLong at = new AtomicLong(Long.MAX_VALUE);

    void now() {
      at.set(System.nanoTime());
    }

    boolean isSet() {
      return at.get() != Long.MAX_VALUE;
    }

    long nanos() {
      return at.get();
    }
  }

  private enum Kind {
    CHAT,
    INTERRUPTED,
    ASYNC,
    CANCELLED,
    RECORD,
    TOOLS,
    CHECKED,
    STREAM,
    STREAM_CLOSED,
    STREAM_INTERRUPTED,
    STREAM_LEFT,
    STREAM_ABANDONED,
    PUBLISHED,
    STATUS_READ;

    private static final Kind[] ALL = values();
  }

  private final SharedState common;
  private final long seed;
  private final String name;
  private final Random random;
  private final int calls;

  RandomCaller(SharedState common, long seed, String name, int calls) {
    this.common = common;
    this.seed = seed;
    this.name = name;
    this.calls = calls;
    this.random = Seeds.of(seed, name);
  }

  @Override
  public void run() {
    for (int i = 0; i < calls && !common.closedAt.isSet(); i++) {
      new RandomCall(name + "-" + i).make();
      common.made.incrementAndGet();
    }
  }

  private final class RandomCall {
    private final String id;
    private final Kind kind = Kind.ALL[random.nextInt(Kind.ALL.length)];
    private final @Nullable Duration deadline =
        common.settings.patient() || random.nextBoolean()
            ? Duration.ofMillis(20 + random.nextInt(600))
            : null;
    private final StreamRecovery recovery = recovery(random.nextInt(4));
    private final AtomicLong toldToEnd = new AtomicLong(Long.MAX_VALUE);
    private final StringBuilder shown = new StringBuilder();
    private @Nullable Future<?> interference;
    private boolean over;
    private long began;

    RandomCall(String id) {
      this.id = id;
    }

    private StreamRecovery recovery(int which) {
      return switch (which) {
        case 0 -> StreamRecovery.FAIL;
        case 1 -> StreamRecovery.HOLD;
        case 2 -> StreamRecovery.hold(1 + random.nextInt(5));
        default -> StreamRecovery.RESTART;
      };
    }

    private ChatRequest.Builder asks(String wanted) {
      ChatRequest.Builder request =
          ChatRequest.builder()
              .user("caller=" + id + ";wants=" + wanted + ";")
              .onBrokenStream(recovery);
      if (deadline != null) {
        // Real time, as a caller would measure it.
        request.deadline(deadline.multipliedBy(common.time.factor()));
      }
      return request;
    }

    void make() {
      began = System.nanoTime();
      try {
        switch (kind) {
          case INTERRUPTED -> {
            interrupts(Thread.currentThread());
            answered(common.client.chat(asks("text").build()));
          }
          case ASYNC -> answered(await(common.client.chatAsync(asks("text").build())));
          case CANCELLED -> cancelled();
          case RECORD -> record();
          case TOOLS -> tools();
          case CHECKED ->
              answered(common.client.chat(asks("text").accept(this::objection).build()));
          case STREAM, STREAM_CLOSED, STREAM_INTERRUPTED, STREAM_LEFT -> stream();
          case STREAM_ABANDONED -> abandon();
          case PUBLISHED -> publish();
          case STATUS_READ -> readStatus();
          default -> answered(common.client.chat(asks("text").build()));
        }
      } catch (Throwable e) {
        failed(
            e instanceof ExecutionException || e instanceof CompletionException ? e.getCause() : e);
      } finally {
        if (interference != null) {
          interference.cancel(false);
        }
        endsInTime();
        isOver();
        boolean unused = Thread.interrupted();
      }
    }

    private void interrupts(Thread caller) {
      interferes(
          () -> {
            synchronized (this) {
              if (!over) {
                caller.interrupt();
              }
            }
          });
    }

    /** An interrupt that comes late is not meant for the next call. */
    private synchronized void isOver() {
      over = true;
    }

    private void interferes(Runnable end) {
      interference =
          common.others.schedule(
              () -> {
                toldToEnd.set(System.nanoTime());
                end.run();
              },
              random.nextInt(SOON_MILLIS),
              TimeUnit.MILLISECONDS);
    }

    private void cancelled() throws Exception {
      CompletableFuture<ChatResponse> future = common.client.chatAsync(asks("text").build());
      interferes(() -> future.cancel(true));
      answered(await(future));
    }

    private <T> T await(Future<T> future) throws Exception {
      try {
        return future.get(FOR_EVER.toMillis(), TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        common.report.reportError(where(), "never ends");
        throw e;
      }
    }

    private Optional<String> objection(ChatResponse answer) {
      boolean turnedDown = !answer.endpoint().equals(TEMPLATE) && id.hashCode() % 4 == 0;
      return turnedDown ? Optional.of("not to be taken") : Optional.empty();
    }

    private void record() {
      ChatResponse.Structured<SignedAnswer> slip =
          common.client.chat(asks("record").build(), SignedAnswer.class);
      checkAttempts(slip.response());
      wrong(SignedText.findMistake(slip.value().signed(), id, slip.response().endpoint()));
    }

    private void tools() {
      ChatRequest request =
          asks("tool").tool("note", "takes a note", "{\"type\":\"object\"}").build();
      ChatResponse response = common.client.chat(request);
      if (response.endpoint().equals(TEMPLATE)) {
        answered(response);
        return;
      }
      checkAttempts(response);
      List<ChatResponse.ToolCall> made = response.toolCalls();
      wrong(made.size() == 1 ? "" : made.size() + " calls of a tool");
      String arguments = made.get(0).arguments();
      String signed = arguments.replaceAll("^\\{\"signed\":\"|\"}$", "");
      wrong(SignedText.findMistake(signed, id, response.endpoint()));
    }

    private void stream() throws InterruptedException {
      int leaves = kind == Kind.STREAM_LEFT ? random.nextInt(10) : Integer.MAX_VALUE;
      boolean pausing = random.nextInt(3) == 0;
      try (ChatStream stream = common.client.stream(asks("text").build())) {
        if (kind == Kind.STREAM_CLOSED) {
          interferes(stream::close);
        } else if (kind == Kind.STREAM_INTERRUPTED) {
          interrupts(Thread.currentThread());
        }
        int events = 0;
        for (ChatEvent event : stream) {
          if (events++ == leaves) {
            count("left");
            return;
          }
          hears(event);
          if (pausing && random.nextInt(3) == 0) {
            Thread.sleep(random.nextInt(10));
          }
        }
        answered(stream.response());
      }
    }

    /** Reads a little, and leaves it to somebody else to close it much later. */
    private void abandon() {
      ChatStream stream = common.client.stream(asks("text").build());
      interferes(stream::close);
      interference = null;
      int events = random.nextInt(4);
      for (var all = stream.iterator(); events > 0 && all.hasNext(); events--) {
        hears(all.next());
      }
      count("abandoned");
    }

    private void hears(ChatEvent event) {
      if (event instanceof ChatEvent.TextDelta delta) {
        shown.append(delta.text());
        wrong(SignedText.findMistakeInPrefix(shown.toString(), id));
      } else if (event instanceof ChatEvent.Restarted restarted) {
        wrong(recovery.canRestart() ? "" : "restarted though the recovery is " + recovery);
        int discards = restarted.discardText();
        wrong(discards == shown.length() ? "" : "discards " + discards + " of " + shown.length());
        shown.setLength(0);
        common.report.count("stream restarted");
      } else if (event instanceof ChatEvent.Completed completed) {
        String text = completed.response().text();
        wrong(
            shown.toString().equals(text) ? "" : "showed '" + shown + "', ended as '" + text + "'");
      }
    }

    private void publish() throws Exception {
      RandomSubscriber subscriber =
          new RandomSubscriber(Seeds.of(seed, id), common.others, this::hearsOfEnd, this::wrong);
      common.client.publish(asks("text").build()).subscribe(subscriber);
      if (random.nextInt(4) == 0) {
        interferes(subscriber::cancel);
      }
      await(subscriber.end());
      if (subscriber.isCancelled()) {
        count("cancelled");
      }
    }

    private void hearsOfEnd(ChatEvent event) {
      hears(event);
      if (event instanceof ChatEvent.Completed completed) {
        answered(completed.response());
      }
    }

    private void readStatus() {
      wrong(common.client.status().toString().isEmpty() ? "no status" : "");
      if (random.nextInt(10) == 0) {
        var unused = common.client.warmUp();
      }
      count("answered");
    }

    private void answered(ChatResponse response) {
      checkAttempts(response);
      wrong(SignedText.findMistake(response.text(), id, response.endpoint()));
    }

    private void checkAttempts(ChatResponse response) {
      count("answered");
      common.report.count("answered by " + response.endpoint());
      List<Attempt> attempts = response.attempts();
      Attempt last = attempts.get(attempts.size() - 1);
      boolean tells =
          last.failure().isEmpty()
              && last.endpoint().equals(response.endpoint())
              && attempts.stream().filter(each -> each.failure().isEmpty()).count() == 1;
      wrong(tells ? "" : "answered by " + response.endpoint() + ", but tells " + attempts);
    }

    private void failed(Throwable thrown) {
      if (thrown instanceof AllEndpointsFailedException all) {
        count("no endpoint answered");
        boolean tells =
            !all.attempts().isEmpty()
                && all.attempts().stream()
                    .allMatch(a -> a.failure().isPresent() && all.getMessage().contains(a + ""));
        wrong(tells ? "" : "not the whole story: " + all);
        // A function that always answers is the last endpoint, and there is time enough for it.
        boolean lost = common.settings.template() && deadline == null && !isToldToEnd();
        wrong(lost ? "lost: " + all : "");
      } else if (thrown instanceof LlmException) {
        String partial = ((LlmException) thrown).partialText();
        count(partial.isEmpty() ? "ended" : "broken off");
        wrong(partial.isEmpty() ? "" : SignedText.findMistakeInPrefix(partial, id));
        // The machine may be so busy that no thread begins before the deadline, or 30 quick
        // seconds.
        boolean unbegun = thrown.getMessage().contains("no further thread");
        boolean may = isToldToEnd() || isBrokenStream() || unbegun;
        wrong(may ? "" : "ended, though nobody wanted that: " + thrown);
      } else if (thrown instanceof CancellationException
          || thrown instanceof InterruptedException) {
        count("ended");
        wrong(isToldToEnd() ? "" : "ended, though nobody wanted that: " + thrown);
      } else if (thrown instanceof RandomSubscriber.SubscriberFailure) {
        count("ended");
      } else if (thrown instanceof IllegalStateException && common.closedAt.isSet()) {
        count("refused");
      } else {
        count("threw " + thrown.getClass().getName());
        wrong("threw " + thrown);
      }
    }

    private boolean isToldToEnd() {
      return toldToEnd.get() != Long.MAX_VALUE || common.closedAt.isSet();
    }

    private boolean isBrokenStream() {
      boolean streams = kind == Kind.PUBLISHED || kind.name().startsWith("STREAM");
      return streams && !recovery.canRestart() && recovery != StreamRecovery.HOLD;
    }

    private void endsInTime() {
      long now = System.nanoTime();
      long due = deadline == null ? Long.MAX_VALUE : began + deadline.toNanos();
      long ends =
          Math.min(due, Math.min(Math.max(began, toldToEnd.get()), common.closedAt.nanos()));
      if (ends != Long.MAX_VALUE && now > ends) {
        long late = Math.max(0, now - Math.max(began, ends));
        common.report.recordDelay(late / 1_000_000);
        wrong(
            late <= common.machineDelay.delayAllowance().toNanos()
                ? ""
                : "ended " + late / 1_000_000 + " ms late; its deadline was " + deadline);
      }
    }

    private void count(String outcome) {
      common.report.count("call " + kind + " " + outcome);
    }

    private void wrong(String what) {
      common.report.reportError(where(), what);
    }

    private String where() {
      return kind + " " + id;
    }
  }
}
