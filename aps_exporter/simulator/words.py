"""The words on an ECU's pages, in the two languages that it can be switched to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aps_exporter.simulator.settings import Language

__all__ = ["CGI_ENGLISH", "PHP", "Words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Headings of the table page, then labels of the home page in their order."""

    home: str
    real_time_data: str
    inverter_id: str
    power: str
    dc_voltage: str
    frequency: str
    voltage: str
    temperature: str
    time: str
    ecu_id: str
    lifetime: str
    system_power: str
    today: str
    connection: str
    inverters: str
    online: str
    version: str
    zone: str
    wired_mac: str
    wireless_mac: str


_ENGLISH = Words(
    home="Home",
    real_time_data="Real Time Data",
    inverter_id="Inverter ID",
    power="Current Power",
    dc_voltage="DC Voltage",
    frequency="Grid Frequency",
    voltage="Grid Voltage",
    temperature="Temperature",
    time="Reporting Time",
    ecu_id="ECU ID",
    lifetime="Lifetime generation",
    system_power="Last System Power",
    today="Generation of Current Day",
    connection="Last Connection to website",
    inverters="Number of Inverters",
    online="Last Number of Inverters Online",
    version="Current Software Version",
    zone="Current Time Zone",
    wired_mac="ECU Eth0 Mac Address",
    wireless_mac="ECU Wlan0 Mac Address",
)

CGI_ENGLISH = replace(
    _ENGLISH,
    time="Date",
    system_power="Current Power",
    today="Generation Of Current Day",
    connection="Last connection to website",
    zone="Current Timezone",
    wired_mac="ECU Mac Address",
    wireless_mac="",
)
"""The CGI generation says some things otherwise, down to the capitals."""

# Read in the vendor's published source, but for the headings of the id and of the DC voltage and
# the labels of the addresses, which nobody has shown: those are ours.
_CHINESE = Words(
    home="首页",
    real_time_data="实时数据",
    inverter_id="逆变器ID",
    power="当前功率",
    dc_voltage="直流电压",
    frequency="电网频率",
    voltage="电网电压",
    temperature="机内温度",
    time="上报时间",
    ecu_id="ECU ID",
    lifetime="历史发电量",
    system_power="最近一次系统功率",
    today="系统当天累计发电量",
    connection="最近一次连接服务器时间",
    inverters="逆变器总台数",
    online="最近一次逆变器连接台数",
    version="软件版本号",
    zone="当前时区",
    wired_mac="ECU有线网络MAC地址",
    wireless_mac="ECU无线网络MAC地址",
)

PHP: dict[Language, Words] = {"english": _ENGLISH, "chinese": _CHINESE}
