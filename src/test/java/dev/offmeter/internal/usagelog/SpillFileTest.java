// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.usagelog;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.meter.UsageRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows are taken from the end of the file, and stay until they are removed. */
class SpillFileTest {
  private static final UUID CLIENT = UUID.randomUUID();

  @TempDir private Path folder;

  private Path path() {
    return folder.resolve("spill.jsonl");
  }

  private SpillFile file(long most) {
    return new SpillFile(path(), most);
  }

  private static List<UsageRecord> rows(long from, long to, String tag) {
    return LongStream.rangeClosed(from, to).mapToObj(call -> row(call, tag)).toList();
  }

  private static UsageRecord row(long call, String tag) {
    return new UsageRecord(
        Instant.EPOCH,
        CLIENT,
        call,
        1,
        Map.of("tag", tag),
        Optional.empty(),
        "m",
        false,
        Attempt.builder("home").build());
  }

  private static List<Long> calls(SpillFile.Taken taken) {
    return taken.rows().stream().map(UsageRecord::call).toList();
  }

  @Test
  void rowsThatCameMeanwhileStay() throws IOException {
    SpillFile file = file(1_000_000);
    assertThat(file.append(rows(1, 5, "a"))).isEqualTo(5);
    assertThat(calls(file.last(2))).containsExactly(4L, 5L);
    file.append(rows(6, 7, "ä"));
    file.removeLast();

    assertThat(calls(file.last(10))).containsExactly(1L, 2L, 3L, 6L, 7L);
    file.removeLast();
    assertThat(file.last(10).isEmpty()).isTrue();
    assertThat(path()).isEmptyFile();
    file.close();
  }

  @Test
  void aFileThatIsNotNeededIsNotCreated() throws IOException {
    SpillFile file = file(1_000);

    assertThat(file.last(10).isEmpty()).isTrue();
    assertThat(path()).doesNotExist();
  }

  @Test
  void rowsThatWereNotRemovedAreTakenAgain() throws IOException {
    SpillFile file = file(1_000_000);
    file.append(rows(1, 3, "a"));
    assertThat(calls(file.last(2))).containsExactly(2L, 3L);
    assertThat(calls(file.last(2))).containsExactly(2L, 3L);
    file.close();

    assertThat(calls(file.last(5))).containsExactly(1L, 2L, 3L);
    file.close();
  }

  @Test
  void aRowMayBeLongerThanWhatIsReadAtOnce() throws IOException {
    SpillFile file = file(10_000_000);
    String long1 = "x".repeat(600_000);
    file.append(rows(1, 2, "a"));
    file.append(rows(3, 3, long1));

    assertThat(calls(file.last(1))).containsExactly(3L);
    file.removeLast();
    assertThat(calls(file.last(5))).containsExactly(1L, 2L);
    file.close();
  }

  @Test
  void aLineThatWasCutSpoilsNoRowAfterIt() throws IOException {
    Files.writeString(path(), row(1, "a").toJson() + "\n{\"ended_at\":\"2026-");
    SpillFile file = file(1_000_000);
    file.append(rows(2, 3, "a"));

    SpillFile.Taken taken = file.last(10);
    assertThat(calls(taken)).containsExactly(1L, 2L, 3L);
    assertThat(taken.unreadable()).isEqualTo(1);
    file.close();
  }

  @Test
  void theFileIsBounded() throws IOException {
    SpillFile file = file(1_000);
    int count = file.append(rows(1, 100, "a"));

    assertThat(count).isBetween(1, 3);
    assertThat(Files.size(path())).isLessThanOrEqualTo(1_000);
    assertThat(file.append(rows(1, 100, "a"))).isZero();
    assertThat(calls(file.last(100))).hasSize(count);
    file.close();
  }

  @Test
  void onlyItsOwnerMayReadIt() throws IOException {
    SpillFile file = file(1_000);
    file.append(rows(1, 1, "a"));
    file.close();

    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path())))
        .isEqualTo("rw-------");
  }
}
