// SPDX-License-Identifier: Apache-2.0
/**
 * Configures a client in a Spring Boot application, 3.5 or 4. Start with {@link
 * dev.offmeter.integration.spring.OffmeterAutoConfiguration}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.integration.spring;
