// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import java.sql.BatchUpdateException;
import java.sql.SQLException;

/**
 * Makes the messages of a driver fit for a log. PostgreSQL's repeats the values of a failed batch,
 * and a driver manager the whole address with its password.
 */
final class DatabaseMessages {
  private DatabaseMessages() {}

  /** Returns an exception with the state, the code and the harmless part of the message. */
  static SQLException withoutValues(SQLException failure) {
    SQLException first = failure;
    if (failure instanceof BatchUpdateException && failure.getNextException() != null) {
      first = failure.getNextException();
    }
    String message =
        first instanceof BatchUpdateException ? "" : String.valueOf(first.getMessage());
    String line = harmless(message.lines().findFirst().orElse(""));
    String state = first.getSQLState() == null ? "" : " (SQL state " + first.getSQLState() + ")";
    SQLException harmless =
        new SQLException(
            (line.isEmpty() ? "the database refused the rows" : line) + state,
            first.getSQLState(),
            first.getErrorCode());
    harmless.setStackTrace(first.getStackTrace());
    return harmless;
  }

  private static String harmless(String line) {
    return line.replaceAll("jdbc:\\S*", "jdbc:***").replaceAll("'[^']*'", "'***'");
  }
}
