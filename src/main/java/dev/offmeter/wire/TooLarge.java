// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import java.io.IOException;

/** A server sends more than may be read of it; the message says of what. */
public final class TooLarge extends IOException {
  private static final long serialVersionUID = 1L;

  /** So much is too much. */
  public TooLarge(String message) {
    super(message);
  }
}
