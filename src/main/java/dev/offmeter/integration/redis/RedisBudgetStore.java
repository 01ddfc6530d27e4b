// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.redis;

import dev.offmeter.guard.BudgetStore;
import io.lettuce.core.RedisClient;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the counts of budgets in Redis, so that all processes that use the same Redis and prefix
 * share them. Needs Redis 7.0 or later, or Valkey, and {@code io.lettuce:lettuce-core}.
 *
 * <p>Each method is one script, which Redis runs as a whole. Amounts are exact up to {@code
 * Long.MAX_VALUE}, where a sum stays. A method waits up to a second, for a connection and the
 * answer together, and throws {@code IllegalStateException} if Redis cannot be reached, does not
 * answer or refuses (out of memory, a replica, still loading).
 *
 * <p>The store opens one connection of the client's at first use, and a new one when that is lost
 * or has been silent for a second. Nothing waits in a queue for a connection. The client stays the
 * application's, with its address, credentials and TLS; its {@code SocketOptions.connectTimeout}
 * and the timeout of its {@code RedisURI} bound how long an attempt to connect goes on in the
 * background.
 *
 * <p>All keys begin with <code>{prefix}:</code>, braces included. In a cluster they are therefore
 * in one slot, on one node: budgets do not get faster with more nodes. A {@code RedisClient} does
 * not follow a slot to another node.
 *
 * <p>Redis forgets a count a day after its window's end, or after the last use of one that is
 * rolling or a session's; a count for ever is kept for ever. Whether counts outlive a restart of
 * Redis is a matter of its configuration: {@code appendonly yes}; and {@code maxmemory-policy
 * noeviction} keeps it from dropping them. The log has a WARN if Redis has lost all counts while
 * this store was in use.
 *
 * <p>Safe for use by many threads.
 */
// Were Lettuce required transitively, no module could be compiled against this one without it.
@SuppressWarnings("exports")
public final class RedisBudgetStore implements BudgetStore, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** A rolling window forgets in as many parts. */
  private static final int SLICES = 60;

  /** A request that was sent in a window may be settled so long after its end. */
  private static final Duration LONGEST_CALL = Duration.ofHours(24);

  /** For so long a reservation is known to be settled; each takes some 200 bytes. */
  private static final Duration SETTLED = Duration.ofHours(1);

  /** Stands for moments that are beyond all: the largest number that Lua has exactly. */
  private static final long NEVER = (1L << 53) - 1;

  private static final String FOR_EVER = "-1";

  private final RedisLink link;
  private final String keys;

  /**
   * The marks of the counts that Redis has had: one, and one more each time it has lost them. All
   * are kept because an answer of before a loss may be read after one of later.
   */
  private final Set<String> marks = ConcurrentHashMap.newKeySet();

  /** Creates a store with the prefix {@code offmeter}. Connects to nothing yet. */
  public RedisBudgetStore(RedisClient client) {
    this(client, "offmeter");
  }

  /**
   * Creates a store. Connects to nothing yet.
   *
   * @param prefix of all keys, to tell applications apart that share a Redis but no budgets; not
   *     blank, without braces
   */
  public RedisBudgetStore(RedisClient client, String prefix) {
    Objects.requireNonNull(client, "client");
    Objects.requireNonNull(prefix, "prefix");
    if (prefix.isBlank() || prefix.contains("{") || prefix.contains("}")) {
      throw new IllegalArgumentException(
          "prefix must not be blank and have no braces, was '" + prefix + "'");
    }
    this.link = new RedisLink(client);
    this.keys = "{" + prefix + "}:";
  }

  @Override
  public int reserve(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    String end = ceilingMillis(leaseEnd);
    List<String> arguments = arguments(now, reservation, end);
    claims.forEach(claim -> add(arguments, claim, claim.limit(), now, leaseEnd));
    List<Object> answer = link.run(RedisScript.RESERVE, keys(claims, "mark"), array(arguments));
    warnIfLost(answer.get(1).toString());
    return ((Number) answer.get(0)).intValue();
  }

  private void warnIfLost(String mark) {
    if (marks.add(mark) && marks.size() > 1) {
      LOG.warn(
          "Redis has lost the counts of the budgets ({}): they begin at 0; see appendonly and"
              + " maxmemory-policy in its configuration",
          keys);
    }
  }

  @Override
  public void settle(String reservation, List<Claim> claims, List<Long> used, Instant now) {
    List<String> arguments = arguments(now, reservation, String.valueOf(SETTLED.toMillis()));
    for (int i = 0; i < claims.size(); i++) {
      add(arguments, claims.get(i), used.get(i), now, now);
    }
    link.run(RedisScript.SETTLE, keys(claims, "settled:" + reservation), array(arguments));
  }

  @Override
  public void renew(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    List<String> arguments = arguments(now, reservation, ceilingMillis(leaseEnd));
    claims.forEach(claim -> add(arguments, claim, claim.limit(), now, leaseEnd));
    link.run(RedisScript.RENEW, keys(claims, "settled:" + reservation), array(arguments));
  }

  @Override
  public Balance balance(Claim claim, Instant now) {
    List<String> arguments = arguments(now, "", "");
    add(arguments, claim, claim.limit(), now, now);
    List<Object> answer =
        link.run(RedisScript.BALANCE, keys(List.of(claim), "mark"), array(arguments));
    return new Balance(amount(answer.get(0)), amount(answer.get(1)));
  }

  /** Closes the connection, if there is one, and not the client. */
  @Override
  public void close() {
    link.close();
  }

  private String[] keys(List<Claim> claims, String last) {
    List<String> all = new ArrayList<>(2 * claims.size() + 1);
    for (Claim claim : claims) {
      all.add(keys + "count:" + claim.key());
      all.add(keys + "leases:" + claim.key());
    }
    all.add(keys + last);
    return array(all);
  }

  private static List<String> arguments(Instant now, String reservation, String third) {
    List<String> arguments = new ArrayList<>();
    arguments.add(String.valueOf(now.toEpochMilli()));
    arguments.add(reservation);
    arguments.add(third);
    return arguments;
  }

  private static void add(
      List<String> arguments, Claim claim, long value, Instant now, Instant used) {
    arguments.add(amount("amount", claim.amount()));
    arguments.add(amount("limit or amount used", value));
    arguments.add(ceilingMillis(claim.windowEnd()));
    arguments.add(kept(claim.windowEnd(), used, now));
    boolean rolls = !claim.rolling().isZero();
    arguments.add(rolls ? slice(claim, now) : "");
    arguments.add(rolls ? String.valueOf(now.minus(claim.rolling()).toEpochMilli()) : "");
  }

  private static long amount(Object answered) {
    return Long.parseLong(answered.toString());
  }

  private static String amount(String name, long amount) {
    if (amount < 0) {
      throw new IllegalArgumentException(name + " must be at least 0, was " + amount);
    }
    return String.valueOf(amount);
  }

  /**
   * Returns for how long Redis keeps a count's keys, in milliseconds: until the end of its window
   * or its last use, and as long after that as a call may take.
   */
  private static String kept(Instant windowEnd, Instant used, Instant now) {
    long last = Math.max(millis(windowEnd), millis(used));
    return last == NEVER
        ? FOR_EVER
        : String.valueOf(last - now.toEpochMilli() + LONGEST_CALL.toMillis());
  }

  /**
   * Returns the part of a rolling window in which a moment lies: by its end, so that windows of
   * another length forget it in their time too.
   */
  private static String slice(Claim claim, Instant moment) {
    long length = Math.max(1, claim.rolling().toMillis() / SLICES);
    return String.valueOf((Math.floorDiv(moment.toEpochMilli(), length) + 1) * length);
  }

  /** Returns the end of a time in milliseconds, rounded up so that it is not over too early. */
  private static String ceilingMillis(Instant end) {
    return String.valueOf(millis(end));
  }

  private static long millis(Instant end) {
    return end.getEpochSecond() >= NEVER / 1000
        ? NEVER
        : Math.max(0, end.plusNanos(999_999).toEpochMilli());
  }

  private static String[] array(List<String> values) {
    return values.toArray(String[]::new);
  }
}
