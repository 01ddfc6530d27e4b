// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.Diagnosis;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Drafts an email for every overdue invoice of a CSV file. */
public final class PaymentFollowUps {
  /** What the money is spent for. */
  static final String ACCEPTED = "email-accepted";

  static final int ALL_DRAFTED = 0;
  static final int SOME_NEED_A_LOOK = 1;
  static final int COULD_NOT_RUN = 2;
  static final int NOT_WELL = 3;

  private final PrintStream out;
  private final PrintStream err;
  private final Clock clock;

  PaymentFollowUps(PrintStream out, PrintStream err, Clock clock) {
    this.out = out;
    this.err = err;
    this.clock = clock;
  }

  /**
   * Runs the example.
   *
   * @param args the CSV file, the folder for the drafts, and {@code --stream} to watch them being
   *     written or {@code --watch} to watch the endpoints, {@code --report} and a file for a page
   *     about what it cost; all optional. Or {@code --check} alone, to have every endpoint examined
   */
  public static void main(String[] args) {
    Clock clock = Clock.systemDefaultZone();
    PaymentFollowUps program = new PaymentFollowUps(System.out, System.err, clock);
    int status = program.run(System.getenv(), List.of(args));
    if (status != ALL_DRAFTED) {
      System.exit(status);
    }
  }

  int run(Map<String, String> environment, List<String> args) {
    try {
      Arguments arguments = Arguments.of(args);
      if (arguments.check()) {
        return checked(environment);
      }
      InvoiceCsv csv = invoices(arguments);
      csv.problems().forEach(err::println);
      try (LlmClient llm = client(environment)) {
        DraftFolder folder = folder(arguments);
        Report report =
            arguments.watch()
                ? watched(llm, Panel.of(out, environment), folder, csv)
                : new DraftRun(answers(arguments, llm, environment), folder, out, err).over(csv);
        report.summary();
        // An application counts this when its user sends the mail.
        report.accepted().forEach(sent -> llm.meter().outcome(ACCEPTED, Letter.tags(sent)));
        new CostSummary(out, llm.meter().snapshot()).print();
        if (arguments.report().isPresent()) {
          write(llm.meter().report().html(), arguments.report().get());
        }
        return report.isFlawless() ? ALL_DRAFTED : SOME_NEED_A_LOOK;
      }
    } catch (CannotRun e) {
      err.println(e.getMessage());
      return COULD_NOT_RUN;
    }
  }

  /** Checks the endpoints, by one token of each server. */
  private int checked(Map<String, String> environment) throws CannotRun {
    try (LlmClient llm = client(environment)) {
      Diagnosis diagnosis = llm.diagnose();
      out.println(diagnosis);
      return diagnosis.isHealthy() ? ALL_DRAFTED : NOT_WELL;
    }
  }

  private Function<Invoice, ChatResponse> answers(
      Arguments arguments, LlmClient llm, Map<String, String> environment) {
    Function<Invoice, ChatResponse> answers =
        arguments.stream()
            ? new LiveAnswers(llm, Screen.of(out, environment))::to
            : invoice -> llm.chat(Letter.request(invoice));
    return new PatientAnswers(llm, answers)::to;
  }

  /**
   * Loads models and watches the endpoints in the background, so that no draft waits for either.
   */
  private Report watched(LlmClient llm, Panel panel, DraftFolder folder, InvoiceCsv csv)
      throws CannotRun {
    try (Watch watch = new Watch(llm, csv.invoices().size(), panel)) {
      llm.warmUp();
      PrintStream above = panel.above(out, UTF_8);
      return new DraftRun(watch::answerTo, folder, above, panel.above(err, UTF_8)).over(csv);
    }
  }

  /** The servers that the environment names, and last a template that needs none. */
  private static LlmClient client(Map<String, String> environment) throws CannotRun {
    Endpoint template = Endpoint.local(Letter.TEMPLATE, Letter::fromTemplate).build();
    try {
      return LlmClient.builder().fromEnv(environment).endpoint(template).build();
    } catch (IllegalArgumentException | IllegalStateException e) {
      throw new CannotRun(e.getMessage());
    }
  }

  private InvoiceCsv invoices(Arguments arguments) throws CannotRun {
    LocalDate today = LocalDate.now(clock);
    if (arguments.csv().isEmpty()) {
      return InvoiceCsv.shipped(today);
    }
    String name = arguments.csv().get();
    try {
      return InvoiceCsv.read(path(name), today);
    } catch (IOException e) {
      throw new CannotRun("cannot read " + name, e);
    }
  }

  private DraftFolder folder(Arguments arguments) throws CannotRun {
    String name = arguments.folder();
    try {
      return new DraftFolder(path(name), clock);
    } catch (IOException e) {
      throw new CannotRun("cannot write to " + name, e);
    }
  }

  private void write(String page, String file) throws CannotRun {
    try {
      Files.writeString(path(file), page);
    } catch (IOException e) {
      throw new CannotRun("cannot write " + file, e);
    }
    out.println("What it cost, on one page: " + file);
  }

  private static Path path(String name) throws CannotRun {
    try {
      return Path.of(name);
    } catch (InvalidPathException e) {
      throw new CannotRun("no possible file name: " + name);
    }
  }
}
