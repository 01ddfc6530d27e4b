// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import java.util.Random;

/** The ways in which a server treats a request. */
enum ServerBehaviour {
  /** A streamed answer. */
  WHOLE,
  /** A whole answer that is not streamed. */
  AT_ONCE,
  /** A whole answer that comes slowly. */
  SLOW,
  /** A whole answer whose last chunk comes late. */
  LATE_END,
  /** A whole answer after which the connection is closed. */
  THEN_CLOSED,
  /** A whole answer after which the connection is dead, as if a router had forgotten it. */
  THEN_FORGOTTEN,
  /** A whole answer with the beginning of another, unasked one behind it. */
  WITH_A_STRANGER_BEHIND,
  RESET,
  CLOSED,
  RESET_LATER,
  SILENT,
  BROKEN,
  BUSY,
  BUSY_FOR_A_WHILE,
  LIMITED,
  BAD_REQUEST,
  LOGIN_PAGE,
  STATUS_REPORT,
  GARBAGE,
  TOO_SHORT,
  RESET_IN_THE_MIDDLE,
  STALLED,
  ERROR_INSIDE,
  WITHOUT_ITS_END,
  BAD_CHUNK;

  private static final ServerBehaviour[] ALL = values();

  /** Any of them. */
  static ServerBehaviour any(Random random) {
    return ALL[random.nextInt(ALL.length)];
  }
}
