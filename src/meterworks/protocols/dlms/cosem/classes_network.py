"""Rows of the classes that set up communication: local ports, modems, Internet, M-Bus, power line, cellular.

Written as `read_classes` says.  Source: COSEM interface classes; fact sheet section 7.
"""

from typing import Final

__all__ = ["NETWORK_CLASSES"]

NETWORK_CLASSES: Final = """
19 0 IEC local port setup
  default_mode enum
  default_baud enum
  prop_baud enum
  response_time enum
  device_addr os
  pass_p1 os
  pass_p2 os
  pass_w5 os

19 1 IEC local port setup
  default_mode enum
  default_baud enum
  prop_baud enum
  response_time enum
  device_addr os
  pass_p1 os
  pass_p2 os
  pass_w5 os

23 0 IEC HDLC setup
  comm_speed enum
  window_size_transmit u8
  window_size_receive u8
  max_info_field_length_transmit u8
  max_info_field_length_receive u8
  inter_octet_time_out u16
  inactivity_time_out u16
  device_address u16

23 1 IEC HDLC setup
  comm_speed enum
  window_size_transmit u8
  window_size_receive u8
  max_info_field_length_transmit u16|u8
  max_info_field_length_receive u16|u8
  inter_octet_time_out u16
  inactivity_time_out u16
  device_address u16

24 0 IEC twisted pair setup
  secondary_address os
  primary_address_list [u8]
  tabi_list [i8]
  fatal_error enum

24 1 IEC twisted pair setup
  mode enum
  speed enum
  primary_address_list [u8]
  tabi_list [i8]

25 0 M-Bus slave port setup
  default_baud enum
  avail_baud enum
  addr_state enum
  bus_address u8

27 0 Modem configuration
  comm_speed enum
  initialization_string [{request:os,response:os}]
  modem_profile [os]

27 1 Modem configuration
  comm_speed enum
  initialization_string [{request:os,response:os,delay_after_response:u16}]
  modem_profile [os]

28 0 Auto answer
  mode enum
  listening_window [$window]
  status enum
  number_of_calls u8
  number_of_rings [{nr_rings_in_window:u8,nr_rings_out_of_window:u8}]

28 2 Auto answer
  mode enum
  listening_window [$window]
  status enum
  number_of_calls u8
  number_of_rings {nr_rings_in_window:u8,nr_rings_out_of_window:u8}|array
  list_of_allowed_callers [{caller_id:os,call_type:enum}]

29 0 Auto connect
  mode bool
  repetitions u8
  repetition_delay u16
  calling_window [$window]
  phone_list [os]

29 1 Auto connect
  mode enum
  repetitions u8
  repetition_delay u16
  calling_window [$window]
  destination_list [os]

29 2 Auto connect
  mode enum
  repetitions u8
  repetition_delay u16
  calling_window [$window]
  destination_list [os]
  > connect i8

40 0 Push setup @38
  push_object_list [$column] static
  send_destination_and_method {transport_service:enum,destination:os,message:enum}
  communication_window [$window] static
  randomisation_start_interval u16 static
  number_of_retries u8 static
  repetition_delay u16 static
  > push i8

40 1 Push setup
  push_object_list [$restricted_column] static
  send_destination_and_method {transport_service:enum,destination:os,message:enum}
  communication_window [$window] static
  randomisation_start_interval u16 static
  number_of_retries u8 static
  repetition_delay u16 static
  port_reference ln
  push_client_sap i8
  push_protection_parameters [$protection]
  > push i8

40 2 Push setup
  push_object_list [$selected_column] static
  send_destination_and_method {transport_service:enum,destination:os,message:enum}
  communication_window [$window] static
  randomisation_start_interval u16 static
  number_of_retries u8 static
  repetition_delay {minimum:u16,exponent:u16,maximum:u16}
  port_reference ln
  push_client_sap i8
  push_protection_parameters [$protection]
  push_operation_method enum
  confirmation_parameters {confirmation_start_date:dt,confirmation_interval:u32}
  last_confirmation_date_time dt
  > push i8
  > reset i8

41 0 TCP-UDP setup
  tcp_udp_port u16
  ip_reference ln
  mss u16
  nb_of_sim_conn u8
  inactivity_time_out u16

42 0 IPv4 setup @60
  dl_reference ln
  ip_address u32
  multicast_ip_address [u32]
  ip_options [{ip_option_type:u8,ip_option_length:u8,ip_option_data:os}]
  subnet_mask u32
  gateway_ip_address u32
  use_dhcp_flag bool
  primary_dns_address u32
  secondary_dns_address u32
  > add_mc_ip_address u32
  > delete_mc_ip_address u32
  > get_nbof_mc_ip_addresses i8

43 0 MAC address setup
  mac_address os

44 0 PPP setup
  phy_reference ln
  lcp_options [{option_type:u8,option_length:u8,option_data:any}]
  ipcp_options [{option_type:u8,option_length:u8,option_data:any}]
  ppp_authentication any

45 0 GPRS modem setup
  apn os
  pin_code u16
  quality_of_service struct|array

46 0 SMTP setup
  server_port u16
  user_name os
  login_password os
  server_address os
  sender_address os

47 0 GSM diagnostic
  operator vs
  status enum
  cs_attachment enum
  ps_status enum
  cell_info {cell_id:u16,location_id:u16,signal_quality:u8,ber:u8}
  adjacent_cells [{cell_id:u16,signal_quality:u8}]
  capture_time dt

47 1 GSM diagnostic
  operator vs
  status enum
  cs_attachment enum
  ps_status enum
  cell_info {cell_id:u32,location_id:u16,signal_quality:u8,ber:u8,mcc:u16,mnc:u16,channel_number:u32}
  adjacent_cells [{cell_id:u32,signal_quality:u8}]
  capture_time dt

47 2 GSM diagnostic
  operator vs
  status enum
  cs_attachment enum
  ps_status enum
  cell_info {cell_id:u32,location_id:u16,signal_quality:u8,ber:u8,mcc:u16,mnc:u16,channel_number:u32}
  adjacent_cells [{cell_id:u32,signal_quality:u8}]
  capture_time dt

48 0 IPv6 setup @60
  dl_reference ln
  address_config_mode enum
  unicast_ipv6_addresses [os]
  multicast_ipv6_addresses [os]
  gateway_ipv6_addresses [os]
  primary_dns_address os
  secondary_dns_address os
  traffic_class u8
  neighbor_discovery_setup [{rs_max_retry:u8,rs_retry_wait_time:u16,ra_send_period:u32}]
  > add_ipv6_address {ipv6_address_type:enum,ipv6_address:os}
  > remove_ipv6_address {ipv6_address_type:enum,ipv6_address:os}

50 1 S-FSK Phy and MAC setup
  initiator_electrical_phase enum
  delta_electrical_phase enum
  max_receiving_gain u8
  max_transmitting_gain u8
  search_initiator_threshold u8
  frequencies {mark_frequency:u32,space_frequency:u32}
  mac_address u16
  mac_group_addresses [u16]
  repeater enum
  repeater_status bool
  min_delta_credit u8
  initiator_mac_address u16
  synchronization_locked bool
  transmission_speed enum

51 0 S-FSK active initiator
  active_initiator {system_title:os,mac_address:u16,l_sap_selector:u8}
  > reset_new_not_synchronized u16

52 0 S-FSK MAC synchronization timeouts
  search_initiator_timeout u16
  synchronization_confirmation_timeout u16
  time_out_not_addressed u16
  time_out_frame_not_ok u16

53 0 S-FSK MAC counters
  synchronization_register [{mac_address:u16,synchronizations_counter:u32}]
  desynchronization_listing struct
  broadcast_frames_counter [{mac_address:u16,broadcast_frames:u32}]
  repetitions_counter u32
  transmissions_counter u32
  crc_ok_frames_counter u32
  crc_nok_frames_counter u32
  > reset i8

55 0 IEC 61334-4-32 LLC setup
  max_frame_length u8

55 1 IEC 61334-4-32 LLC setup
  max_frame_length u8
  reply_status_list [{l_sap_selector:u8,length_of_waiting_l_sdu:u8}]

56 0 S-FSK reporting system list
  reporting_system_list [os]

57 0 ISO/IEC 8802-2 LLC type 1 setup
  max_octets_ui_pdu u16

58 0 ISO/IEC 8802-2 LLC type 2 setup
  transmit_window_size_k u8
  receive_window_size_rw u8
  max_octets_i_pdu_n1 u16
  max_number_transmissions_n2 u8
  acknowledgement_timer u16
  p_bit_timer u16
  reject_timer u16
  busy_state_timer u16

59 0 ISO/IEC 8802-2 LLC type 3 setup
  max_octets_acn_pdu_n3 u16
  max_number_transmissions_n4 u8
  acknowledgement_time_t1 u16
  receive_lifetime_variable_t2 u16
  transmit_lifetime_variable_t3 u16

72 0 M-Bus client @60
  mbus_port_reference ln
  capture_definition [$mbus_capture]
  capture_period u32
  primary_address u8
  identification_number u32
  manufacturer_id u16
  version u8
  device_type u8
  access_number u8
  status u8
  alarm u8
  > slave_install i8|u8
  > slave_deinstall i8|u8
  > capture i8
  > reset_alarm i8
  > synchronize_clock i8
  > data_send [{data_information_block:os,value_information_block:os,data:any}]
  > set_encryption_key os
  > transfer_key os

72 1 M-Bus client @70
  mbus_port_reference ln
  capture_definition [$mbus_capture]
  capture_period u32
  primary_address u8
  identification_number u32
  manufacturer_id u16
  version u8
  device_type u8
  access_number u8
  status u8
  alarm u8
  configuration u16
  encryption_key_status enum
  > slave_install i8|u8
  > slave_deinstall i8|u8
  > capture i8
  > reset_alarm i8
  > synchronize_clock i8
  > data_send [{data_information_block:os,value_information_block:os,data:any}]
  > set_encryption_key os
  > transfer_key os

73 0 Wireless mode Q channel
  addr_state enum
  device_address os
  address_mask os

73 1 Wireless mode Q channel
  addr_state enum
  device_address os
  address_mask os

74 0 M-Bus master port setup
  comm_speed enum

76 0 DLMS/COSEM server M-Bus port setup
  port_reference ln
  mbus_port_communication_state enum
  mbus_data_header_type enum
  primary_address u8
  identification_number u32
  manufacturer_id u16
  mbus_version u8
  device_type u8
  max_pdu_size u16
  listening_window [$window]

77 0 M-Bus diagnostic
  received_signal_strength u8
  channel_id u8
  link_status enum
  broadcast_frames_counter [{client_id:u8,counter:u32,time_stamp:dt}]
  transmissions_counter u32
  fcs_ok_frames_counter u32
  fcs_nok_frames_counter u32
  capture_time {attribute_id:u8,time_stamp:dt}
  > reset i8

80 0 61334-4-32 LLC SSCS setup
  service_node_address u16
  base_node_address u16
  > reset i8

81 0 PRIME NB OFDM PLC physical layer counters
  phy_stats_crc_incorrect_count u16
  phy_stats_crc_fail_count u16
  phy_stats_tx_drop_count u16
  phy_stats_rx_drop_count u16
  > reset i8

82 0 PRIME NB OFDM PLC MAC setup
  mac_min_switch_search_time u8
  mac_max_promotion_pdu u8
  mac_promotion_pdu_tx_period u8
  mac_beacons_per_frame u8
  mac_scp_max_tx_attempts u8
  mac_ctl_re_tx_timer u8
  mac_max_ctl_re_tx u8

83 0 PRIME NB OFDM PLC MAC functional parameters
  mac_lnid i16
  mac_lsid u8
  mac_sid u8
  mac_sna os
  mac_state enum
  mac_scp_length i16
  mac_node_hierarchy_level u8
  mac_beacon_slot_count u8
  mac_beacon_rx_slot u8
  mac_beacon_tx_slot u8
  mac_beacon_rx_frequency u8
  mac_beacon_tx_frequency u8
  mac_capabilities u16

84 0 PRIME NB OFDM PLC MAC counters
  mac_tx_data_pkt_count u32
  mac_rx_data_pkt_count u32
  mac_tx_ctrl_pkt_count u32
  mac_rx_ctrl_pkt_count u32
  mac_csma_fail_count u32
  mac_csma_ch_busy_count u32
  > reset i8

85 0 PRIME NB OFDM PLC MAC network administration data
  mac_list_multicast_entries array
  mac_list_switch_table array
  mac_list_direct_table array
  mac_list_available_switches array
  mac_list_phy_comm array
  > reset i8

86 0 PRIME NB OFDM PLC application identification
  firmware_version os
  vendor_id u16
  product_id u16

90 1 G3-PLC MAC layer counters
  mac_tx_data_packet_count u32
  mac_rx_data_packet_count u32
  mac_tx_cmd_packet_count u32
  mac_rx_cmd_packet_count u32
  mac_csma_fail_count u32
  mac_csma_no_ack_count u32
  mac_bad_crc_count u32
  mac_tx_data_broadcast_count u32
  mac_rx_data_broadcast_count u32
  > reset i8

91 1 G3-PLC MAC setup
  mac_short_address u16
  mac_rc_coord u16
  mac_pan_id u16
  mac_key_table [{id:u8,key:os}]
  mac_frame_counter u32
  mac_tone_mask bits
  mac_tmr_ttl u8
  mac_max_frame_retries u8
  mac_neighbour_table_entry_ttl u8
  mac_neighbour_table array
  mac_high_priority_window_size u8
  mac_csma_fairness_limit u8
  mac_beacon_randomization_window_length u8
  mac_a u8
  mac_k u8
  mac_min_cw_attempts u8
  mac_cenelec_legacy_mode u8
  mac_fcc_legacy_mode u8
  mac_max_be u8
  mac_max_csma_backoffs u8
  mac_min_be u8
  > mac_get_neighbour_table_entry u16

91 2 G3-PLC MAC setup
  mac_short_address u16
  mac_rc_coord u16
  mac_pan_id u16
  mac_key_table [{id:u8,key:os}]
  mac_frame_counter u32
  mac_tone_mask bits
  mac_tmr_ttl u8
  mac_max_frame_retries u8
  mac_neighbour_table_entry_ttl u8
  mac_neighbour_table array
  mac_high_priority_window_size u8
  mac_csma_fairness_limit u8
  mac_beacon_randomization_window_length u8
  mac_a u8
  mac_k u8
  mac_min_cw_attempts u8
  mac_cenelec_legacy_mode u8
  mac_fcc_legacy_mode u8
  mac_max_be u8
  mac_max_csma_backoffs u8
  mac_min_be u8
  mac_broadcast_max_cw_enabled bool
  mac_transmit_atten u8
  mac_pos_table array
  > mac_get_neighbour_table_entry u16

91 3 G3-PLC MAC setup
  mac_short_address u16
  mac_rc_coord u16
  mac_pan_id u16
  mac_key_table [{id:u8,key:os}]
  mac_frame_counter u32
  mac_tone_mask bits
  mac_tmr_ttl u8
  mac_max_frame_retries u8
  mac_neighbour_table_entry_ttl u8
  mac_neighbour_table array
  mac_high_priority_window_size u8
  mac_csma_fairness_limit u8
  mac_beacon_randomization_window_length u8
  mac_a u8
  mac_k u8
  mac_min_cw_attempts u8
  mac_cenelec_legacy_mode u8
  mac_fcc_legacy_mode u8
  mac_max_be u8
  mac_max_csma_backoffs u8
  mac_min_be u8
  mac_broadcast_max_cw_enabled bool
  mac_transmit_atten u8
  mac_pos_table array
  mac_duplicate_detection_ttl u8
  > mac_get_neighbour_table_entry u16
  > mac_get_pos_table_entry u16

92 1 G3-PLC 6LoWPAN adaptation layer setup
  adp_max_hops u8
  adp_weak_lqi_value u8
  adp_security_level u8
  adp_prefix_table array
  adp_routing_configuration array
  adp_broadcast_log_table_entry_ttl u16
  adp_routing_table array
  adp_context_information_table array
  adp_blacklist_table array
  adp_broadcast_log_table array
  adp_group_table array
  adp_max_join_wait_time u16
  adp_path_discovery_time u8
  adp_active_key_index u8
  adp_metric_type u8
  adp_coord_short_address u16
  adp_disable_default_routing bool
  adp_device_type enum

92 2 G3-PLC 6LoWPAN adaptation layer setup
  adp_max_hops u8
  adp_weak_lqi_value u8
  adp_security_level u8
  adp_prefix_table array
  adp_routing_configuration array
  adp_broadcast_log_table_entry_ttl u16
  adp_routing_table array
  adp_context_information_table array
  adp_blacklist_table array
  adp_broadcast_log_table array
  adp_group_table array
  adp_max_join_wait_time u16
  adp_path_discovery_time u8
  adp_active_key_index u8
  adp_metric_type u8
  adp_coord_short_address u16
  adp_disable_default_routing bool
  adp_device_type enum
  adp_default_coord_route_enabled bool
  adp_destination_address_set array

92 3 G3-PLC 6LoWPAN adaptation layer setup
  adp_max_hops u8
  adp_weak_lqi_value u8
  adp_security_level u8
  adp_prefix_table array
  adp_routing_configuration array
  adp_broadcast_log_table_entry_ttl u16
  adp_routing_table array
  adp_context_information_table array
  adp_blacklist_table array
  adp_broadcast_log_table array
  adp_group_table array
  adp_max_join_wait_time u16
  adp_path_discovery_time u8
  adp_active_key_index u8
  adp_metric_type u8
  adp_coord_short_address u16
  adp_disable_default_routing bool
  adp_device_type enum
  adp_default_coord_route_enabled bool
  adp_destination_address_set array
  adp_low_lqi u8
  adp_high_lqi u8

100 0 NTP setup
  activated bool
  server_address os
  server_port u16
  authentication_method enum
  authentication_keys [{key_id:u32,key:os}]
  client_key os
  > synchronize i8
  > add_authentication_key {key_id:u32,key:os}
  > delete_authentication_key u32

151 0 LTE monitoring
  lte_network_parameters {t3402:u16,t3412:u16,rsrq:u8,rsrp:u8,q_rx_lev_min:i8}
  lte_quality_of_service {signal_quality:i8,signal_level:i8,signal_to_noise_ratio:i8,coverage_enhancement:enum}

151 1 LTE monitoring
  lte_network_parameters struct
  lte_quality_of_service struct
  capture_time dt

152 0 CoAP setup
  udp_reference ln
  ack_timeout u16
  ack_random_factor u16
  max_retransmit u16
  nstart u16
  delay_ack_timeout u16
  exponential_back_off u16
  probing_rate u16
  coap_uri_path os
  transport_mode enum
  wrapper_version any
  token_length u8

153 0 CoAP diagnostic
  messages_counter struct
  request_response_counter struct
  bt_counter struct
  capture_time struct
  > reset i8
"""
