// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.LlmClient;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.observe.ClientStatus;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Shows the status of a client as gauges: the state of each endpoint, the calls there, the budgets
 * and the usage log; {@link MeterNames} has them all. What happens in calls is counted by {@link
 * #listener}, so an application wants both:
 *
 * <pre>{@code
 * LlmClient client = LlmClient.builder().fromEnv().listener(OffmeterMetrics.listener(registry)).build();
 * new OffmeterMetrics(client).bindTo(registry);
 * }</pre>
 *
 * <p>The gauges read {@link LlmClient#status()} and {@link dev.offmeter.meter.Meter#budgets()} once
 * for all of them when they are read. No endpoint is asked; a store of budgets is, where it is
 * shared. A registry keeps the client, closed or not, as long as the gauges. Safe for use by many
 * threads.
 */
// Were Micrometer required transitively, no module could be compiled against this one without it.
@SuppressWarnings("exports")
public final class OffmeterMetrics implements MeterBinder {
  private final Source source;
  private final Tags tags;

  /** Creates the gauges of a client. */
  public OffmeterMetrics(LlmClient client) {
    this(client, List.of());
  }

  /**
   * Creates the gauges of a client with further tags on all of them, which tell those of two
   * clients in one registry apart.
   */
  public OffmeterMetrics(LlmClient client, Iterable<Tag> tags) {
    this(Source.of(Objects.requireNonNull(client, "client")), tags);
  }

  OffmeterMetrics(Source source, Iterable<Tag> tags) {
    this.source = source;
    this.tags = Tags.of(Objects.requireNonNull(tags, "tags"));
  }

  /** The questions that the gauges ask. */
  record Source(
      Supplier<ClientStatus> status,
      Supplier<List<BudgetStatus>> budgets,
      Supplier<Optional<UsageLogStatus>> usageLog) {
    static Source of(LlmClient client) {
      return new Source(
          client::status, () -> client.meter().budgets(), () -> client.meter().usageLog());
    }
  }

  /**
   * Returns a listener that counts what calls do in {@code registry}, for any number of clients.
   */
  public static MetricsListener listener(MeterRegistry registry) {
    return new MetricsListener(registry);
  }

  @Override
  public void bindTo(MeterRegistry registry) {
    new StatusGauges(source, tags, Objects.requireNonNull(registry, "registry")).register();
  }
}
