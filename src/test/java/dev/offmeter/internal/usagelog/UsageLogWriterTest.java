// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.usagelog;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.meter.UsageRecord;
import dev.offmeter.testing.CollectedRows;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.ManualTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Rows reach the log, wait for it, are spilled or are counted as lost: each of them once. */
@Timeout(20)
class UsageLogWriterTest {
  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("a reminder").tag("feature", "follow-up").build();
  private static final CompletableFuture<Void> NO_CALLS = CompletableFuture.completedFuture(null);
  private static final Duration SECOND = Duration.ofSeconds(1);

  @RegisterExtension final LoggedEvents logged = new LoggedEvents(Level.INFO);

  @TempDir private Path folder;

  private final ManualTime time = new ManualTime();
  private final CollectedRows log = new CollectedRows();
  private final UsageLogWriter writer = new UsageLogWriter(log, null, time);
  private long calls;

  private Path spill() {
    return folder.resolve("spill.jsonl");
  }

  private UsageLogWriter spilling() {
    return new UsageLogWriter(log, spill(), time);
  }

  private void add(UsageLogWriter to, int rows) {
    for (int i = 0; i < rows; i++) {
      to.onAttemptEnded(++calls, 1, REQUEST, "m", false, Attempt.builder("home").build());
    }
  }

  private static void awaitWritten(UsageLogWriter writer, long rows) {
    awaitSoon(() -> writer.status().written() == rows);
  }

  private void awaitTried(int times) {
    awaitSoon(() -> log.tried() == times);
    // Its consequences are there when the next try is due.
    awaitSoon(() -> time.pendingTasks() == 1);
  }

  private void assertNotTriedAgain(int times) {
    // In this order: another try would set its timer at its end.
    assertThat(time.pendingTasks()).isEqualTo(1);
    assertThat(log.tried()).isEqualTo(times);
  }

  private void close(UsageLogWriter closed) {
    closed.close(NO_CALLS);
  }

  private List<Long> callsWritten() {
    return log.rows().stream().map(UsageRecord::call).sorted().toList();
  }

  private static List<Long> upTo(long last) {
    return LongStream.rangeClosed(1, last).boxed().toList();
  }

  @Test
  void rowsAreHandedOverTogetherAfterASecond() {
    add(writer, 3);
    time.advance(SECOND.minusNanos(1));
    assertThat(log.tried()).isZero();
    time.advance(Duration.ofNanos(1));
    awaitWritten(writer, 3);

    assertThat(log.batches()).hasSize(1);
    assertThat(callsWritten()).containsExactly(1L, 2L, 3L);
    close(writer);
  }

  @Test
  void aFullBatchIsHandedOverAtOnce() {
    add(writer, 500);
    awaitWritten(writer, 500);
    add(writer, 1);
    time.advance(SECOND);
    awaitWritten(writer, 501);

    assertThat(log.batches()).extracting(List::size).containsExactly(500, 1);
    close(writer);
  }

  @Test
  void aBatchThatFailedIsTriedAgainAfterASecondAndThenAfterTwiceAsLong() {
    log.fail("no disk");
    add(writer, 1);
    time.advance(SECOND);
    awaitTried(1);
    time.advance(SECOND);
    awaitTried(2);
    time.advance(SECOND);
    assertNotTriedAgain(2);
    time.advance(SECOND);
    awaitTried(3);
    log.fail("");
    add(writer, 1);
    time.advance(SECOND.multipliedBy(4));
    awaitWritten(writer, 2);

    assertThat(callsWritten()).containsExactly(1L, 2L);
    assertThat(writer.status().working()).isTrue();
    close(writer);
  }

  @Test
  void theLongestWaitIsAMinute() {
    log.fail("no disk");
    add(writer, 1);
    time.advance(SECOND);
    awaitTried(1);
    for (int seconds : new int[] {1, 2, 4, 8, 16, 32, 60, 60}) {
      int tried = log.tried();
      time.advance(SECOND.multipliedBy(seconds).minusNanos(1));
      assertNotTriedAgain(tried);
      time.advance(Duration.ofNanos(1));
      awaitTried(tried + 1);
    }
    close(writer);
  }

  @Test
  void anEpisodeIsWarnedOfOnceAndItsEndIsTold() {
    log.fail("no disk");
    add(writer, 1);
    time.advance(SECOND);
    awaitTried(1);
    time.advance(SECOND);
    awaitTried(2);
    log.fail("");
    time.advance(SECOND.multipliedBy(2));
    awaitWritten(writer, 1);
    awaitSoon(() -> logged.messages().size() == 2);
    log.fail("no disk");
    add(writer, 1);
    time.advance(SECOND);
    awaitTried(4);

    assertThat(logged.messages().get(0))
        .isEqualTo(
            "the usage log does not work: java.io.IOException: no disk; its rows wait in memory,"
                + " and then in the spill file if there is one; see"
                + " docs/usage-log.md#when-it-does-not-work");
    assertThat(logged.messages().get(1)).startsWith("the usage log works again");
    assertThat(logged.messages()).hasSize(3);
    log.fail("");
    close(writer);
  }

  @Test
  void rowsBeyondTenThousandAreLostAndCountedWithoutASpillFile() {
    log.fail("no disk");
    add(writer, 10_007);
    awaitSoon(() -> logged.messages().size() == 2);

    assertThat(writer.status().waiting()).isEqualTo(10_000);
    assertThat(writer.status().lost()).isEqualTo(7);
    assertThat(logged.messages())
        .contains(
            "rows of the usage log are lost: there is no room in memory; see"
                + " docs/usage-log.md#when-it-does-not-work");
    log.fail("");
    close(writer);
    assertThat(callsWritten()).isEqualTo(upTo(10_000));
  }

  @Test
  void theNewestRowsAreSpilledAndWrittenBackWhenTheLogWorksAgain() throws IOException {
    UsageLogWriter spilling = spilling();
    log.fail("no disk");
    add(spilling, 11_250);
    awaitSoon(() -> spilling.status().spilled() == 1_250);
    assertThat(Files.readAllLines(spill())).hasSize(1_250);
    log.fail("");
    awaitSoon(() -> time.pendingTasks() == 1);
    time.advance(SECOND);
    awaitWritten(spilling, 11_250);

    assertThat(callsWritten()).isEqualTo(upTo(11_250));
    assertThat(spill()).isEmptyFile();
    assertThat(spilling.status().spilled()).isZero();
    assertThat(spilling.status().lost()).isZero();
    close(spilling);
  }

  @Test
  void aSpillFileIsWrittenBackByTheNextClient() {
    log.fail("no disk");
    UsageLogWriter first = spilling();
    add(first, 3);
    close(first);
    assertThat(first.status().spilled()).isEqualTo(3);
    log.fail("");
    UsageLogWriter next = spilling();
    add(next, 1);
    time.advance(SECOND);
    awaitSoon(() -> log.rows().size() == 4);
    close(next);

    assertThat(callsWritten()).isEqualTo(upTo(4));
    assertThat(next.status().written()).isEqualTo(1);
    assertThat(spill()).isEmptyFile();
  }

  @Test
  void aLogThatFailsDuringTheWriteBackLosesNothing() {
    UsageLogWriter spilling = spilling();
    log.fail("no disk");
    add(spilling, 10_600);
    awaitSoon(() -> spilling.status().spilled() == 600);
    log.fail("");
    awaitSoon(() -> time.pendingTasks() == 1);
    time.advance(SECOND);
    awaitSoon(() -> log.rows().size() >= 10_000);
    log.fail("no disk");
    add(spilling, 1);
    time.advance(SECOND.multipliedBy(2));
    log.fail("");
    time.advance(SECOND.multipliedBy(60));
    awaitSoon(
        () -> {
          time.advance(SECOND);
          return spilling.status().written() == 10_601;
        });

    assertThat(callsWritten()).isEqualTo(upTo(10_601));
    close(spilling);
  }

  @Test
  void aSpillFileOfAnotherClientIsLeftAlone() {
    log.fail("no disk");
    UsageLogWriter first = spilling();
    add(first, 10_001);
    awaitSoon(() -> first.status().spilled() == 1);
    UsageLogWriter second = spilling();
    add(second, 10_002);
    awaitSoon(() -> second.status().lost() == 2);

    assertThat(second.status().spilled()).isZero();
    awaitSoon(
        () ->
            logged
                .messages()
                .contains(
                    "rows of the usage log are lost: the spill file cannot be written:"
                        + " java.io.IOException: another client uses "
                        + spill()
                        + "; see docs/usage-log.md#when-it-does-not-work"));
    log.fail("");
    close(second);
    close(first);
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void rowsThatDoNotFitOnTheDiskAreLostAndCounted() {
    UsageLogWriter spilling = new UsageLogWriter(log, Path.of("/dev/full"), time);
    log.fail("no disk");
    add(spilling, 10_900);
    awaitSoon(() -> spilling.status().lost() == 900);

    assertThat(spilling.status().waiting()).isEqualTo(10_000);
    assertThat(spilling.status().spilled()).isZero();
    log.fail("");
    close(spilling);
    assertThat(callsWritten()).isEqualTo(upTo(10_000));
  }

  @Test
  void closingHandsOverWhatIsLeft() {
    add(writer, 1_234);
    close(writer);

    assertThat(callsWritten()).isEqualTo(upTo(1_234));
    assertThat(writer.status().waiting()).isZero();
    assertThat(time.isEmpty()).isTrue();
  }

  @Test
  void aLogThatHangsHoldsClosingUpForFiveSeconds() throws InterruptedException {
    log.hang();
    add(writer, 500);
    awaitSoon(() -> log.tried() == 1);
    add(writer, 2);
    assertClosesInFiveSeconds(writer);

    assertThat(writer.status().lost()).isEqualTo(502);
    assertThat(writer.status().waiting()).isZero();
    log.release();
  }

  @Test
  void whatAHangingLogHasNotTakenIsSpilledWhenTheClientIsClosed() throws Exception {
    UsageLogWriter spilling = spilling();
    log.hang();
    add(spilling, 500);
    awaitSoon(() -> log.tried() == 1);
    add(spilling, 2);
    assertClosesInFiveSeconds(spilling);

    assertThat(spilling.status().spilled()).isEqualTo(502);
    assertThat(Files.readAllLines(spill())).hasSize(502);
    add(spilling, 1);
    awaitSoon(() -> spilling.status().spilled() == 503);
    log.release();
  }

  private void assertClosesInFiveSeconds(UsageLogWriter hanging) throws InterruptedException {
    Thread closing = new Thread(() -> close(hanging));
    closing.start();
    awaitSoon(() -> time.pendingTasks() == 1);
    time.advance(Duration.ofSeconds(5).minusNanos(1));
    assertThat(closing.isAlive()).isTrue();
    time.advance(Duration.ofNanos(1));
    closing.join();
  }

  @Test
  void aRowThatComesAfterClosingIsHandedOverAtOnce() {
    close(writer);
    add(writer, 1);
    awaitWritten(writer, 1);

    assertThat(time.isEmpty()).isTrue();
  }

  @Test
  void closingIsNotCutShortByAnInterrupt() {
    add(writer, 3);
    Thread.currentThread().interrupt();
    close(writer);

    assertThat(Thread.interrupted()).isTrue();
    assertThat(callsWritten()).isEqualTo(upTo(3));
  }

  @Test
  void aLineThatIsNoRowIsDroppedAndCounted() throws IOException {
    log.fail("no disk");
    UsageLogWriter first = spilling();
    add(first, 2);
    close(first);
    Files.writeString(spill(), "{\"ended_at\":\"2026-", StandardOpenOption.APPEND);
    log.fail("");
    UsageLogWriter next = spilling();
    add(next, 1);
    time.advance(SECOND);
    awaitSoon(() -> next.status().lost() == 1);
    close(next);

    assertThat(callsWritten()).isEqualTo(upTo(3));
    assertThat(spill()).isEmptyFile();
  }

  @Test
  void aMessageOfTheLogIsOneLine() {
    log.fail("first\nsecond\u001b[31m");
    add(writer, 1);
    time.advance(SECOND);
    awaitTried(1);

    assertThat(logged.messages().get(0)).contains("IOException: first;").doesNotContain("second");
    log.fail("");
    close(writer);
  }
}
