// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.testing.UsageRows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Rows in a file: whole lines, whoever appends. */
@Timeout(20)
class FileUsageLogTest {
  @TempDir private Path folder;

  private Path file() {
    return folder.resolve("usage.jsonl");
  }

  private List<Long> calls() throws IOException {
    return Files.readAllLines(file()).stream()
        .map(line -> UsageRecord.fromJson(line).call())
        .sorted()
        .toList();
  }

  @Test
  void aRowIsALineOfJson() throws Exception {
    UsageLog.file(file()).write(List.of(UsageRows.answered(7)));

    assertThat(Files.readString(file()))
        .startsWith("{\"ended_at\":\"2026-11-27T14:00:00.123456Z\",\"client_id\":\"")
        .contains(
            "\"call_id\":7,\"attempt\":1,\"endpoint\":\"reserve\",",
            "\"tags\":{",
            "\"feature\":\"Zoë's \\\"follow-up\\\"\"",
            "\"odd\":\"\ufffd\ufffd\\n\"",
            "\"duration_seconds\":1.234567891,",
            "\"cost\":0.000075225000000001,\"currency\":\"USD\",")
        .endsWith("\"possibly_billed\":false}\n");
  }

  @Test
  void severalLogsAppendToOneFileFromSeveralThreads() throws Exception {
    CompletableFuture<?>[] writers =
        IntStream.range(0, 4)
            .mapToObj(
                writer -> CompletableFuture.runAsync(() -> append(1 + 1_000L * writer, 50, 20)))
            .toArray(CompletableFuture[]::new);
    CompletableFuture.allOf(writers).join();

    assertThat(calls()).hasSize(4_000).doesNotHaveDuplicates();
  }

  private void append(long first, int batches, int rows) {
    UsageLog log = UsageLog.file(file());
    try {
      for (int i = 0; i < batches; i++) {
        long from = first + (long) i * rows;
        log.write(UsageRows.ofCalls(from, from + rows - 1));
      }
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aFileThatWasRenamedIsBegunAnew() throws Exception {
    UsageLog log = UsageLog.file(file());
    log.write(UsageRows.ofCalls(1, 2));
    Files.move(file(), folder.resolve("old"));
    log.write(UsageRows.ofCalls(3, 3));

    assertThat(calls()).containsExactly(3L);
    assertThat(Files.readAllLines(folder.resolve("old"))).hasSize(2);
  }

  @Test
  void aLineThatWasCutSpoilsNoRowAfterIt() throws Exception {
    Files.writeString(file(), "{\"ended_at\":\"2026-");
    UsageLog log = UsageLog.file(file());
    log.write(UsageRows.ofCalls(1, 1));
    log.write(UsageRows.ofCalls(2, 2));

    assertThat(Files.readAllLines(file())).hasSize(3).first().isEqualTo("{\"ended_at\":\"2026-");
    assertThat(Files.readAllLines(file()).stream().skip(1).map(UsageRecord::fromJson)).hasSize(2);
  }

  @Test
  void onlyItsOwnerMayReadIt() throws Exception {
    UsageLog.file(file()).write(UsageRows.ofCalls(1, 1));

    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file())))
        .isEqualTo("rw-------");
  }

  @Test
  void aFileThatIsThereKeepsItsRowsAndPermissions() throws Exception {
    Files.createFile(
        file(), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-r-----")));
    UsageLog.file(file()).write(UsageRows.ofCalls(1, 1));
    UsageLog.file(file()).write(UsageRows.ofCalls(2, 2));

    assertThat(calls()).containsExactly(1L, 2L);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file())))
        .isEqualTo("rw-r-----");
  }

  @Test
  void aDirectoryOrAFileInNoneIsRejected() {
    assertThatThrownBy(() -> UsageLog.file(folder))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("usageLog must be a file that can be written, was " + folder);
    Path nowhere = folder.resolve("none/usage.jsonl");
    assertThatThrownBy(() -> UsageLog.file(nowhere))
        .hasMessage("usageLog must be a file that can be written, was " + nowhere);
  }

  @Test
  void aDirectoryThatGoesAwayIsAnErrorOfTheBatch() throws Exception {
    Path inner = Files.createDirectory(folder.resolve("logs"));
    UsageLog log = UsageLog.file(inner.resolve("usage.jsonl"));
    Files.delete(inner);

    assertThatThrownBy(() -> log.write(UsageRows.ofCalls(1, 1))).isInstanceOf(IOException.class);
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void aFullDiskIsAnErrorOfTheBatch() {
    UsageLog log = UsageLog.file(Path.of("/dev/full"));

    assertThatThrownBy(() -> log.write(UsageRows.ofCalls(1, 1)))
        .isInstanceOf(IOException.class)
        .hasMessage("No space left on device");
  }

  @Test
  void aLineThatIsNoRowIsNamed() {
    String row = UsageRows.answered(1).toJson();

    assertThatThrownBy(() -> UsageRecord.fromJson("[]")).hasMessage("must be a JSON object");
    assertThatThrownBy(() -> UsageRecord.fromJson("{}"))
        .hasMessage("ended_at must be in a row of a usage log, is missing");
    assertThatThrownBy(() -> UsageRecord.fromJson(row.replace("\"ANSWERED\"", "\"WELL\"")))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> UsageRecord.fromJson(row.replace("\"call_id\":1", "\"call_id\":1.5")))
        .hasMessage("must be a row of a usage log");
  }
}
