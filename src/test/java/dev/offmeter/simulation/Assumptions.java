// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/**
 * The assumptions of the simulated year: rough, and meant to be changed and run again. Times of day
 * and of year are drawn evenly, so that more than half of the trouble comes while nobody calls.
 */
final class Assumptions {
  static final long SEED = 20_260_401;

  static final int DAYS = 365;
  static final int CALLS_A_DAY = 200;

  /** Calls come at random, independently of each other, in these hours. */
  static final Duration DAY_BEGINS = Duration.ofHours(8);

  static final Duration WORKING_DAY = Duration.ofHours(10);

  /**
   * The time of one way through a CDN's edge and a tunnel to a line at home; to a rented machine.
   */
  static final Duration WAY_HOME = Duration.ofMillis(40);

  static final Duration WAY_ARM = Duration.ofMillis(20);

  /** Cloudflare answers 524 when a server has not begun to reply by then. */
  static final Duration EDGE_WAITS = Duration.ofSeconds(100);

  /** A model of some 10 GB: longer than any call waits at home. */
  static final Duration LOAD = Duration.ofSeconds(20);

  /**
   * Ollama lists a model that it is still loading from its beginning, or not at all: from 0.33 on.
   */
  static final Duration LISTED_AFTER = Duration.ofDays(1_000);

  /** Ollama's default. */
  static final Duration KEEP_ALIVE = Duration.ofMinutes(5);

  static final Duration FOR_EVER = Duration.ofDays(1_000);

  /** The limits of the endpoints: Offmeter's defaults. */
  static final Duration HOME_LIMIT = Duration.ofSeconds(15);

  /** The bulkhead slots, as many as the node works on at once; one more call moves on. */
  static final int HOME_PLACES = 1;

  static final Duration ARM_LIMIT = Duration.ofSeconds(120);
  static final Duration CONNECT_LIMIT = Duration.ofSeconds(3);
  static final Duration STALL_LIMIT = Duration.ofSeconds(10);

  /** Two in a row, or one refusal, and then half a minute: a usual setting. */
  static final int TIMER_FAILURES = 2;

  static final Duration TIMER_PAUSE = Duration.ofSeconds(30);

  /** The time until the edge notices that the other end of a tunnel is gone without a goodbye. */
  static final Duration EDGE_NOTICES = Duration.ofSeconds(30);

  /** The time from power to a tunnel that is up, and from there to an Ollama that listens. */
  static final Duration BOOT = Duration.ofMinutes(2);

  static final Duration OLLAMA_STARTS = Duration.ofSeconds(5);

  /**
   * A kind of outage, its frequency in a year, and its shortest and longest length: short ones are
   * more frequent.
   */
  record Incidents(Outage what, double perYear, Duration least, Duration most) {}

  static final List<Incidents> HOME =
      List.of(
          new Incidents(Outage.POWER_CUT, 4, Duration.ofMinutes(2), Duration.ofHours(4)),
          new Incidents(Outage.UPDATE, 12, Duration.ofMinutes(5), Duration.ofMinutes(5)),
          new Incidents(Outage.TUNNEL_DROP, 104, Duration.ofSeconds(20), Duration.ofMinutes(5)),
          new Incidents(Outage.LINE_CUT, 36, Duration.ofMinutes(1), Duration.ofMinutes(60)),
          new Incidents(Outage.FREEZE, 6, Duration.ofMinutes(10), Duration.ofHours(2)),
          new Incidents(Outage.WEDGED_SILENT, 2, Duration.ofMinutes(10), Duration.ofHours(2)),
          new Incidents(Outage.WEDGED_ERRORS, 2, Duration.ofMinutes(10), Duration.ofHours(2)));

  /**
   * The outages of a home where another model is used too, twice a working day: not in the table.
   */
  static final List<Incidents> SHARED_HOME =
      Stream.concat(
              HOME.stream(),
              Stream.of(
                  new Incidents(
                      Outage.OTHER_MODEL, 500, Duration.ofSeconds(1), Duration.ofSeconds(2))))
          .toList();

  /** A free machine is restarted now and then, and sometimes taken away for hours. */
  static final List<Incidents> ARM =
      List.of(
          new Incidents(Outage.SERVICE_STOPPED, 26, Duration.ofMinutes(5), Duration.ofMinutes(30)),
          new Incidents(Outage.HOST_GONE, 4, Duration.ofHours(1), Duration.ofHours(12)));

  private Assumptions() {}

  /** Drafts of a few hundred tokens on a Mac mini. */
  static VirtualOllama.Service homeService(int call) {
    return service(call, 1, Duration.ofMillis(500), Duration.ofSeconds(4), 1.5, 6);
  }

  /** Drafts of a few hundred tokens on four ARM cores. */
  static VirtualOllama.Service armService(int call) {
    return service(call, 2, Duration.ofSeconds(2), Duration.ofSeconds(12), 4, 18);
  }

  private static VirtualOllama.Service service(
      int call, int node, Duration first, Duration total, double firstMore, double totalMore) {
    SplittableRandom random = new SplittableRandom(SEED + 3L * call + node);
    return new VirtualOllama.Service(
        first.plusMillis((long) (1000 * firstMore * random.nextDouble())),
        total.plusMillis((long) (1000 * totalMore * random.nextDouble())));
  }
}
