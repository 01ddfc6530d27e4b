// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.FailureKind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The findings of {@link dev.offmeter.LlmClient#diagnose()} at each endpoint. Immutable, so safe
 * for use by many threads. Holds no prompt, no answer and no secret.
 *
 * @param endpoints the findings of each endpoint, by its name, in the order of preference; each has
 *     one for every {@link Step}, in their order
 */
public record Diagnosis(Map<String, List<Finding>> endpoints) {
  /** Copies the findings. */
  public Diagnosis {
    Map<String, List<Finding>> copy = new LinkedHashMap<>();
    endpoints.forEach((name, findings) -> copy.put(name, List.copyOf(findings)));
    endpoints = Collections.unmodifiableMap(copy);
  }

  /** The steps of a diagnosis, in this order. */
  public enum Step {
    /** The endpoint's address. */
    ADDRESS,
    /** The lookup of the host's name. */
    DNS,
    /** The proxy on the way, if any. */
    PROXY,
    /** The connection to the host, or to the proxy. */
    TCP,
    /** The handshake and the certificate. */
    TLS,
    /**
     * The sender of the reply: the server itself, not a login page, a bot check or an unconnected
     * tunnel.
     */
    ACCESS,
    /** The server's version. */
    VERSION,
    /** The key, which the server must accept. */
    KEY,
    /** The model, which the server must have. */
    MODEL,
    /** The model's presence in memory. */
    LOADED,
    /** The length of the model's context, in tokens. */
    CONTEXT,
    /** A request of one token: its answer, and the time that it takes. */
    ANSWER
  }

  /** The result of a step. */
  public enum Outcome {
    /** The step found everything in order. */
    OK,
    /** The step found a fault; the finding has the kind. */
    FAILED,
    /** The server does not report it. */
    UNKNOWN,
    /** The step was skipped, because an earlier step failed or it does not apply. */
    SKIPPED
  }

  /**
   * The finding of one step.
   *
   * @param step what was examined
   * @param outcome the result
   * @param kind the kind of failure; empty unless the step failed
   * @param detail in words, redacted; may be empty
   */
  public record Finding(Step step, Outcome outcome, Optional<FailureKind> kind, String detail) {
    /**
     * Returns the section of {@code docs/troubleshooting.md} about the failure; empty unless the
     * step failed.
     */
    public Optional<String> link() {
      return kind.map(FailureKind::link);
    }

    /** Returns the result in one word: the kind if the step failed. */
    String word() {
      return kind.map(Enum::name).orElse(outcome.name().toLowerCase(Locale.ROOT));
    }
  }

  /** Returns whether no step of any endpoint has failed. */
  public boolean isHealthy() {
    return endpoints.values().stream()
        .flatMap(List::stream)
        .noneMatch(finding -> finding.outcome() == Outcome.FAILED);
  }

  /**
   * Returns a table to read: one line for each step, with a link where something is wrong. A
   * function has one line, because there is nothing else to examine.
   */
  @Override
  public String toString() {
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("endpoint", "step", "finding", "details"));
    endpoints.forEach(
        (name, findings) -> {
          String shown = name;
          for (Finding finding : findings) {
            if (finding.outcome() != Outcome.SKIPPED || !finding.detail().isEmpty()) {
              rows.add(row(shown, finding));
              shown = "";
            }
          }
        });
    return new Columns(rows).toString();
  }

  private static List<String> row(String name, Finding finding) {
    String see = finding.link().map(link -> ", see " + link).orElse("");
    String step = finding.step().name().toLowerCase(Locale.ROOT);
    return List.of(name, step, finding.word(), finding.detail() + see);
  }

  /** The columns of a table, aligned at the left; the last may have any width. */
  private record Columns(List<List<String>> rows) {
    @Override
    public String toString() {
      StringBuilder table = new StringBuilder();
      for (List<String> row : rows) {
        StringBuilder line = new StringBuilder();
        for (int column = 0; column < row.size(); column++) {
          String cell = row.get(column);
          line.append(cell).append(" ".repeat(Math.max(0, width(column) - cell.length()) + 2));
        }
        table.append(table.isEmpty() ? "" : "\n").append(line.toString().stripTrailing());
      }
      return table.toString();
    }

    private int width(int column) {
      boolean last = column == rows.get(0).size() - 1;
      return last ? 0 : rows.stream().mapToInt(row -> row.get(column).length()).max().orElse(0);
    }
  }
}
