// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;

/** The tables of a budget store, and the statements on them. All moments are in milliseconds. */
final class BudgetTables {
  /** Rows that are deleted at once, so that it does not take long. */
  static final int BATCH = 1_000;

  private static final Pattern PREFIX =
      Pattern.compile("([A-Za-z_][A-Za-z0-9_]{0,29}\\.)?[A-Za-z_][A-Za-z0-9_]{0,29}");

  private static final int LONGEST_ID = 255;
  private static final int READABLE = 180;

  final List<String> create;
  final String probe;
  final String lock;
  final String insertCount;
  final String count;
  final String keepCount;
  final String spend;
  final String hold;
  final String extend;
  final String markSettled;
  final String findReservation;
  final String spendInSlice;
  final String insertSlice;
  final String forgetSlices;
  final String oldReservations;
  final String deleteReservation;
  final String oldCounts;
  final String deleteCount;

  BudgetTables(String prefix) {
    if (!PREFIX.matcher(prefix).matches()) {
      throw new IllegalArgumentException(
          "tablePrefix must be letters, digits and _, at most 30, with a schema and a dot before"
              + " them or not, was '"
              + prefix
              + "'");
    }
    String counts = prefix + "budget";
    String reservations = prefix + "budget_reservation";
    String slices = prefix + "budget_slice";
    create =
        List.of(
            "create table if not exists "
                + counts
                + " (id varchar(255) not null primary key, spent bigint not null,"
                + " window_end bigint not null)",
            "create table if not exists "
                + reservations
                + " (budget varchar(255) not null, reservation varchar(255) not null,"
                + " amount bigint not null, lease_end bigint not null, settled boolean not null,"
                + " primary key (budget, reservation))",
            "create index if not exists "
                + prefix.substring(prefix.indexOf('.') + 1)
                + "budget_lease on "
                + reservations
                + " (budget, lease_end)",
            "create table if not exists "
                + slices
                + " (budget varchar(255) not null, slice_end bigint not null,"
                + " spent bigint not null, primary key (budget, slice_end))");
    probe =
        "select c.id, c.spent, c.window_end, r.budget, r.reservation, r.amount, r.lease_end,"
            + " r.settled, s.budget, s.slice_end, s.spent from "
            + (counts + " c, " + reservations + " r, " + slices + " s where 1 = 0");
    lock = "select id from " + counts + " where id = ? for update";
    insertCount = "insert into " + counts + " (id, spent, window_end) values (?, 0, ?)";
    count =
        "select c.spent, c.window_end, (select sum(r.amount) from "
            + reservations
            + " r where r.budget = c.id and r.lease_end > ? and r.settled = false),"
            + " (select sum(s.spent) from "
            + slices
            + " s where s.budget = c.id and s.slice_end > ?) from "
            + counts
            + " c where c.id = ?";
    keepCount = "update " + counts + " set spent = ?, window_end = ? where id = ?";
    spend = "update " + counts + " set spent = " + sum("spent") + " where id = ?";
    hold =
        "insert into "
            + reservations
            + " (budget, reservation, amount, lease_end, settled) values (?, ?, ?, ?, ?)";
    String ofOne = " where budget = ? and reservation = ?";
    extend = "update " + reservations + " set lease_end = ?" + ofOne + " and settled = false";
    markSettled =
        "update "
            + reservations
            + " set amount = ?, lease_end = ?, settled = true"
            + ofOne
            + " and settled = false";
    findReservation = "select settled from " + reservations + ofOne;
    String ofSlice = " where budget = ? and slice_end = ?";
    spendInSlice = "update " + slices + " set spent = " + sum("spent") + ofSlice;
    insertSlice = "insert into " + slices + " (spent, budget, slice_end) values (?, ?, ?)";
    forgetSlices = "delete from " + slices + " where budget = ? and slice_end <= ?";
    String some = " limit " + BATCH;
    oldReservations =
        "select budget, reservation from " + reservations + " where lease_end < ?" + some;
    deleteReservation = "delete from " + reservations + ofOne + " and lease_end < ?";
    oldCounts =
        "select c.id, '' from "
            + counts
            + " c where c.window_end < ? and not exists (select 1 from "
            + reservations
            + " r where r.budget = c.id)"
            + some;
    deleteCount = "delete from " + counts + " where id = ? and window_end < ?";
  }

  /** A sum that overflowed would leave room for anything. Has two parameters: see the rows. */
  private static String sum(String column) {
    return "case when " + column + " > ? then " + Long.MAX_VALUE + " else " + column + " + ? end";
  }

  /** Returns a key as it stands in a table: one that no column can hold, by its hash. */
  static String id(String key) {
    boolean fits =
        key.length() <= LONGEST_ID
            && key.indexOf('\0') < 0
            && StandardCharsets.UTF_8.newEncoder().canEncode(key);
    return fits ? key : readable(key) + "#" + hash(key);
  }

  private static String readable(String key) {
    String start = key.substring(0, Math.min(READABLE, key.length()));
    return start.chars().allMatch(letter -> letter >= ' ' && letter < 0x7f) ? start : "";
  }

  private static String hash(String key) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_16BE));
      return HexFormat.of().formatHex(hash);
    } catch (NoSuchAlgorithmException e) {
      // Every Java platform must have it.
      throw new IllegalStateException(e);
    }
  }
}
