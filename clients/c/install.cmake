# What `cmake --install` puts in place for programs that use libsitewire. Included by CMakeLists.txt.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/sitewire)
set(generated ${PROJECT_BINARY_DIR}/proto/gen)

foreach(target sitewire_shared sitewire_archive)
  # google/protobuf/*.pb-c.h are ours as well: they stay out of everybody's include folder.
  target_include_directories(${target} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
                                                 $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/sitewire/proto>)
endforeach()
set_target_properties(sitewire_shared PROPERTIES EXPORT_NAME sitewire)
set_target_properties(sitewire_archive PROPERTIES EXPORT_NAME static)
install(TARGETS sitewire_shared sitewire_archive EXPORT sitewire-targets)
install(EXPORT sitewire-targets NAMESPACE sitewire:: DESTINATION ${package})
configure_package_config_file(sitewire-config.cmake.in sitewire-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(sitewire-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sitewire-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/sitewire-config-version.cmake DESTINATION ${package})

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sitewire TYPE INCLUDE)
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sitewire)
install(DIRECTORY ${generated}/sitewire TYPE INCLUDE FILES_MATCHING PATTERN "*.pb-c.h")
foreach(name timestamp field_mask)
  install(FILES ${generated}/google/protobuf/${name}.pb-c.h
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sitewire/proto/google/protobuf)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/sitewire DESTINATION ${CMAKE_INSTALL_DATADIR}/sitewire/proto
        FILES_MATCHING PATTERN "*.proto")

# The prefix may be named as late as at the installation.
install(CODE "
  set(PROJECT_VERSION ${PROJECT_VERSION})
  set(CMAKE_INSTALL_LIBDIR ${CMAKE_INSTALL_LIBDIR})
  set(CMAKE_INSTALL_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
  configure_file(${CMAKE_CURRENT_SOURCE_DIR}/sitewire.pc.in ${CMAKE_CURRENT_BINARY_DIR}/sitewire.pc @ONLY)")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sitewire.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
