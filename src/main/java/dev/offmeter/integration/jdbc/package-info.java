// SPDX-License-Identifier: Apache-2.0
/** Keeps what several processes share in a database. Needs {@code java.sql} only. */
@org.jspecify.annotations.NullMarked
package dev.offmeter.integration.jdbc;
