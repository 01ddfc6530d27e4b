// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.wire.HeapShare.TooLarge;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** What many bodies may fill of the heap together. */
class HeapShareTest {
  private static final int ALL = 16 << 20;
  private static final int READ = 8192;

  private final AtomicLong left = new AtomicLong(ALL);

  /** Reads on and on, and tells how much of it. */
  private static long filled(HeapShare share) {
    long bytes = 0;
    try {
      while (true) {
        share.grow(READ);
        bytes += READ;
      }
    } catch (TooLarge e) {
      return bytes;
    }
  }

  @Test
  void oneBodyMayTakeHalf() {
    assertThat(filled(new HeapShare(left))).isBetween((long) ALL / 2, ALL / 2 + 400_000L);
  }

  @Test
  void manyLeaveRoomForOneMore() throws TooLarge {
    List<HeapShare> endless = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      HeapShare share = new HeapShare(left);
      filled(share);
      endless.add(share);
    }
    assertThat(left.get()).isBetween(0L, (long) ALL / 8);

    HeapShare usual = new HeapShare(left);
    usual.grow(HeapShare.FREE);
    endless.forEach(HeapShare::release);
    usual.release();
    assertThat(left.get()).isEqualTo(ALL);
  }

  @Test
  void itIsGivenBackOnce() {
    HeapShare share = new HeapShare(left);
    filled(share);

    share.release();
    share.release();

    assertThat(left.get()).isEqualTo(ALL);
    assertThatThrownBy(() -> share.grow(2L * ALL)).isInstanceOf(TooLarge.class);
  }
}
